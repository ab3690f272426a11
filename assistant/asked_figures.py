"""How many figures does a question ask for: one, several, or one that must be computed out of others?

Rules of the two languages, not of a topic. Several: two interrogatives ("what is X, and how long ...?", ……多少，……几天？), "in each case", 分别, two named figures side by side ("the rent and the
deposit", 年费和最低还款额), a lowest and a highest, a comparison ("which is cheaper?", 哪个更贵). Computed: a sum (in total, altogether, plus, 一共, 合计, 加起来), a price times a number of things, a
difference (dearer than, by how much, 比……贵多少), a whole year of something, a part of an amount that the question states.

Not seen: a computation in words that say nothing of it ("books included", "I need another copy too"); things that somebody has ("I have two children"); an amount that is a bound and names a row
("above SGD 10,000"); one rate of two products ("the rate of A and B": it may be the same); sums of periods; totals with a limit ("how much can I send in all?": documents state those);
interest in English, which may be a rate; prices under "each", "per piece" and 每; "how" and 怎么 for a way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum
from itertools import islice, pairwise

from assistant.kind_check import Kind, barred, kind
from core.text.numbers import Quantity, quantities
from core.text.stop_words import STOP_WORDS
from core.text.tokens import index_tokens
from core.text.units import TIMES, UNKNOWN


class Asks(StrEnum):
    """What a question asks for, in words that follow "the question asks for"."""

    ONE = "one figure at most"
    SEVERAL = "several figures"
    SUM = "a sum"
    PRODUCT = "the price of several things"
    DIFFERENCE = "a difference"
    YEAR = "the cost of a whole year"
    PART = "a part of an amount"


#: a longer question, with more interrogatives in it, is no question; a text of nothing else shall not keep the check busy
_LENGTH, _MOST = 2000, 16
#: characters before a number that may make it a bound, and those on either side of a Chinese interrogative that say of which kind its figure is
_BEFORE, _CLAUSE = 40, 200
_PREPOSITION = r"(?:up to|from|to|until|by|above|below|over|under|after|before|within|for|at|on|in|of|with|since|beyond)"
_COMPARATIVE = r"(?:more expensive|less expensive|cheaper|dearer|costlier|pricier|higher|lower|larger|smaller|longer|shorter|older|younger|faster|slower|better|more|less|fewer)"

# --- several figures, English

_HOW = r"how\s(?:much|many|long|often|soon|quickly|old|high|big|large|late|early|far|low)\b"
_WHEN = r"when\s(?:(?:it|they|this|that)\s)?(?:do|does|did|is|are|was|can|must|may|will|would|should)\b"
_INTERROGATIVE = re.compile(
    rf"(?P<joint>^|[?!.;:]\s+(?:and\s|but\s)?|\s[-–—]\s|,\s|\b(?:and|know|tell me|wonder|say)\s)(?:{_PREPOSITION}\s)?"
    rf"(?P<word>what\b|which\b|{_HOW}|{_WHEN})",
    re.IGNORECASE,
)
_NOUN = (
    "fees?|charges?|costs?|prices?|rates?|rent|interest|margin|surcharge|premium|commission|penalty|limits?|ceiling|cap|minimum|maximum|deposit|bonus|discount|payment|instalment"
    "|age|term|duration|period|notice|deadline|amount|balance|income"
)
_HEAD = rf"(?:{_NOUN})(?=\s*(?:[?.,;:]|$)|\s(?:and|of|for|on|at|in|to|that|when|if|with|per|as|is|are|do|does|plus)\b)"
_PLAIN = rf"(?:(?!(?:and|or|that|which|{_PREPOSITION})\b)[\w'’-]+\s){{0,4}}?"
_SIDE_BY_SIDE = re.compile(
    rf"\b(?:what(?:'s|’s|\sis|\sare|\swas|\swere)?|which|state|name|give|tell|want|need|know|show)\s{_PLAIN}(?P<one>{_HEAD})"
    rf"(?:(?:\s(?:of|for|on|at)\s[^,?.]{{1,60}}?)?,?\s(?:and|plus|as well as)(?:\salso)?\s(?:the|its|your|their|that)\s|\s(?:and|&)\s){_PLAIN}(?P<other>{_HEAD})",
    re.IGNORECASE,
)
#: how the clause of "what" or "which" must go on to ask for a figure; "which account" does not, nor "what happens"
_OF_FIGURE = re.compile(
    rf"(?!\w+\s(?:happens|if|about|kinds?|sorts?|documents?|papers|conditions?|cards?|accounts?)\b)(?:what|which)\b[^?;]{{0,80}}?(?:\b(?:{_NOUN}|percentages?|time|sum|day|date|share|value)\b|\bcosts?\b"
    r"|\b(?:pay|owe|move|send|withdraw|transfer|borrow|earn|spend|charge|get back)\b)",
    re.IGNORECASE,
)
_ONE_PRICE = re.compile("fee|charge|cost|price", re.IGNORECASE)
_ALL_OF = re.compile(
    r"\brespectively\b|\bin each case\b|\b(?:name|state|give|tell|show|quote)\s(?:me\s)?both\b|^compare\b|\b(?:please|to)\scompare\b|\bwhat about both\b"
    rf"|\b(?:minimum|lowest|smallest|least|min)\s(?:[\w-]+\s){{0,3}}?(?:and|to)\s(?:the\s|its\s)?(?:maximum|highest|largest|greatest|max|most)\b"
    rf"|\b(?:maximum|highest|largest|greatest|max|most)\s(?:[\w-]+\s){{0,3}}?and\s(?:the\s|its\s)?(?:minimum|lowest|smallest|least|min)\b"
    rf"|\bfrom (?:when|what|which)\b.{{0,40}}\b(?:to|until|till) (?:when|what|which)\b|\band\s(?:(?:by|until|from|since)\s)?(?:when|where|why)\s?(?:\?|$)"
    rf"|\b(?:{_NOUN})\sof\s[^,?]{{3,60}}\sand\sof\s|:\s(?P<by>by|for|from|with|on|at)\s[^,?:]{{2,60}},?\sand\s(?P=by)\s"
    rf"|\b(?:which|who)\s(?!(?:\w+\s)?(?:{_NOUN}|years?|fy|quarters?|months?|days?|dates?|weeks?|values?|figures?|numbers?|percentages?)\b)(?:\w+\s)?(?:of\s(?:\w+\s){{1,3}})?(?:is|are|costs?|pays?|charges?|has|gets?)\s(?:the\s|a\s)?{_COMPARATIVE}\b(?!\sthan\s[^?]*\d)"
    rf"|\b(?:is|are|does|do)\s[^?]{{3,90}}\sor\s[^?]{{3,90}}\s{_COMPARATIVE}\s?\?|\bis it\s(?:\w+\s)?{_COMPARATIVE}\s[^?]{{3,90}}\sor\s|\b{_COMPARATIVE}[,:]\s[^?,]{{2,60}}\sor\s",
    re.IGNORECASE,
)

# --- several figures, Chinese

_HAN_ASKS = re.compile(
    r"(?:(?<![没不无好管论])|(?<=差不))多少(?!有)|(?<![没好十这那有过无])几(?![乎十百千万何号]|次三番)|几何|多(?:久|长|高|大|快)|百分之几|(?:什么|啥)时候|何时|几点|哪(?:一?[天年月日个种款家张里儿]|号)"
)
_HAN_WHEN = re.compile("(?:什么|啥)时候|何时|几点|哪一?[天年月日]")
_HAN_PERIOD = re.compile("多[久长]|(?:几|多少)个?(?:年|月|天|日|周|星期|小时|分钟|工作日|营业日)")
_HAN_CLAUSE = re.compile(r"[，,；;？?。！!：:]|以及|并且|同时")
_HAN_NOUN = r"[^\W\d_]{0,12}?(?:费率?|利率|比例|限额|额度|上限|下限|年限|期限|时限|金额|押金|租金|本金|年龄|罚息|利息|还款额|首付|余额|最低额|最高额|起存点?)"
_HAN_ALL_OF = re.compile(
    r"分别(?:是|为|要|收|有|打|能|可以?|需要?)?[^，。？?]{0,8}?(?:多少|几|哪|多久|多长|多高|什么)"
    r"|各(?:自|要求|是|为|要|收|需|打|占|能|有)?[^，。？?行位项类种个家]{0,6}?(?:多少|几|哪|多久|多长)"
    r"|(?:几|多少)[^，。？?]{0,4}?(?:到|至)[^，。？?]{0,2}(?:几|多少)|(?:最低|最少|至少|下限)(?:和|与|及|、)(?:最高|最多|至多|上限)|(?:最高|最多|上限)(?:和|与|及|、)(?:最低|最少|下限)"
    rf"|{_HAN_NOUN}(?:和|与|及|以及|、|还有|跟){_HAN_NOUN}(?:都|一般)?(?:是|为|要|收|有)?(?:多少|几(?!乎)|多高)"
    r"|哪(?:一?[个种款家张边]|里|样)?+(?!利率|费率|金额|期限|价格|额度|数)(?:[^，。？?]{0,8}(?:更|比较))?(?:贵|便宜|高|低|划算|合算|长|短|快|多|少)(?!于)|谁(?:更)?(?:贵|便宜|高|低)|(?:对比|比较)一下|(?:请|帮我)?比一比"
)
#: words of a question that name no figure
_HAN_EMPTY = re.compile(
    "需要|费用|收费|收取|大概|大约|具体|到底|究竟|请问|我们|你们|他们|银行|一共|总共|合计|应该|一次|一笔|每次|每笔|什么|可以|收钱|多少|如果|要收|要交|一般|左右|那么|这个|那个|它的|怎么|能够|现在|目前|告诉|知道|想问|想知道"
)

# --- computations, English

_COST = re.compile(
    r"\b(?:costs?|pay|paying|owe|charged?|charges|fees?|prices?|deduct(?:ed)?|bill|bills?|expense|rent|premium|set (?:me|us) back|due|dearer|cheaper)\b"
    r"|\bhow much\s(?:money\s)?(?:is|are|for|do|does|did|will|would|must|should|in)\b|费|钱|[收交付扣花缴掏](?:取|纳)?(?:多少|几)|多少[^，。？?]{0,3}元|价",
    re.IGNORECASE,
)
_LIMIT = re.compile(
    r"\b(?:limits?|ceiling|maximum|max|minimum|at (?:most|least)|(?<!add )(?<!adds )up to|allowed|permitted)\b|\b(?:how much|what|how many)\b.{0,60}\b(?:can|may|could)\s(?:I|we|he|she|they|one|my|our)\b"
    r"|(?<![才不])能(?!不能)|(?<!不)可以|最[多高低少大小]|[上下]限|限额|至[多少]|不得?超过|以[上下内]",
    re.IGNORECASE,
)
_SUM = re.compile(
    r"\b(?:in total|in all|all in all|altogether|all told|overall|combined|add(?:s|ed|ing)? up|taken together|grand total)\b|\btogether(?=\s?(?:[?,;]|$)|\s(?:cost|make|is|are)\b)"
    r"|\btotal\s(?:[\w-]+\s)?(?:costs?|charges?|fees?|price|bill|expenses?|sum|outlay|payable|rent)\b|\b(?:sum|total) of\b|^(?:the\s)?(?:sum|total)\s?\?"
    r"|\b(?:both|all|they|these|those|two|three|four|everything|that all|it all)\s(?:\w+\s)?(?:come|comes|amount|run|add up)\sto\b|\b(?:pay|owe|costs?|charged?)\s(?:\w+\s)?for (?:both|all|everything)\b(?=\s?(?:[?,;.]|$)|\sof (?:them|it|that))"
    r"|\s(?:\+|(?-i:plus))\s(?!\d+(?:\.\d+)?\s?%|points)(?=\S)",
    re.IGNORECASE,
)
_SUM_ASKED = re.compile(r"\b(?:what|how much|which (?:sum|amount|total))\b|\b(?:together|total|sum|altogether|charges?|fees?|costs?)\s?\?", re.IGNORECASE)
_SUM_ALONE = re.compile(r"^\W*(?:the\s)?(?:sum|total)\W*$", re.IGNORECASE)
_HAN_SUM = re.compile(
    r"[一总统拢]共|共计|合计|总计|加(?:在)?一起|加起来|全部加|总费用|[张份本笔次个件把页]\S{1,8}加上?[一二两三四五六七八九十\d]+[张份本笔次个件把页]|共(?:要|需|收|交|付)|(?:费|租金|押金|利息)(?:连同?|加上?|带)[^，。？?]{0,8}(?:费|租金|押金|利息)"
)
_DIFFERENCE = re.compile(
    rf"\bhow (?:much|many)\s(?:\w+\s)?(?:a\s\w+\s)?{_COMPARATIVE}\b[^?]{{0,120}}\b(?:than|compared)\b|\bby how (?:much|many)\b[^?]{{0,80}}\b{_COMPARATIVE}\b"
    r"|\bhow (?:much|many)\b[^?]{0,80}\b(?:cheaper|dearer|costlier|pricier|more expensive|less expensive)\b[^?]{0,120}\bthan\b|\bhow (?:much|many)\s(?:[\w-]+\s){0,4}do I save\b"
    r"|\b(?:difference|gap)\b[^?]{0,20}\bbetween\b|\bdifference in (?:fees?|prices?|costs?|rates?|interest)\b|\bhow far apart\b|\bprice gap\b"
    r"|(?<![占同环])比(?![例率较重值])[^，。？?]{1,24}?(?<![最至])(?:贵|便宜|高|低|多|少|长|短|大|小|省)(?:出|了|收)?(?:多少|几)|(?<!最)(?:贵|便宜|高|低|省)(?:出|了)多少(?:钱|元)?(?=[^，。？?]{0,3}$|[，。？?])"
    r"|相差(?:多少|几)|差(?:了)?(?:多少|几)|差[额价距](?:是|有|为)?多少|(?:能|可以?)?省(?:下|了)?多少",
    re.IGNORECASE,
)
_YEAR = re.compile(
    r"\b(?:whole|full|entire|complete) year\b|\b(?:over|in the course of) (?:a|one|the) year\b|\b(?:twelve|12) months of\b|一年下来|一整年|全年|整年|[一1]年到头",
    re.IGNORECASE,
)
#: what a price is asked for one of
_OF_ONE = re.compile(
    r"\beach\b(?!\s(?:day|week|month|quarter|year))|\bapiece\b|\ba piece\b|\bper\s(?!year|month|annum|quarter|week)\w|\b(?:every(?!\s(?:day|week|month|quarter|year))|single|fifth|third|fourth|sixth|next|another)\b"
    r"|\b(?:does|did|is|will|would|for|of|cost|costs)\s(?:a|an|one)\s(?!year|month|week|quarter|dozen|couple)\w|单[价张份笔次]|每一?(?:[张份笔次页件本位人封套把枚盒名条台间户趟回]|个(?!月|季|星期))|一[张份笔次个页件本位封套把](?=[^，。？?]{0,4}多少)|第[一二三四五六七八九十\d]",
    re.IGNORECASE,
)
_BOUND_BEFORE = re.compile(
    r"(?:\b(?:more|less|fewer|other|rather) than|\bat (?:least|most)|\b(?:over|above|below|under|up to|after|within|beyond|until|till|between|from|first|last|every|class|tier|level|number|section"
    r"|clause|page|aged?|am|is|(?:we|they|you|who) are|turned|turns|have|has|had|got|own|owns|holds?|with|or|to|only|about|no|free|of the|my|our|next|these|the)|[第每前后超过于至满低高有内不约近]|最[多少]|[多少]于|-|\.)\s*$",
    re.IGNORECASE,
)
#: no things that are paid for
_NO_THING = (
    "holders?|owners?|signatures?|borrowers?|applicants?|parties|names?|keys|wheels|bedrooms|doors|digits|instalments?|installments?|payslips|points|notes|shares|children|directors|partners|sides|costs?|fees?|does|is"
    "|pays?|charges?|rates?|days|weeks|months|years|hours|minutes|of|ways|euros?|dollars?|pounds?|francs?|cents|reasons|questions|options|accounts with"
)
_THINGS = re.compile(
    rf"(?!\s?(?:{_NO_THING})\b)(?:\s(?!(?:{_NO_THING}|per|a|an|the|and|or)\b)[a-z][\w-]*){{0,3}}?\s(?!(?:{_NO_THING})\b)[a-z][\w-]*(?:[^s\W]s|people|persons|children|women|men)\b(?!\s(?:or|and)\s(?:more|fewer|less|over)\b)",
    re.IGNORECASE,
)
_ALL_OF_THEM = re.compile(
    r"\bfor\s(?:both|all(?:\s(?:of them|two|three|four|five|six))?)\b|\bfor them(?: all)?\b|\ball\s(?:two|three|four|five|six|seven|eight|nine|ten|\d+)\b",
    re.IGNORECASE,
)
_MEASURE = re.compile(
    r"(?:张|份|本|笔|页|件|套|把|封|枚|盒|人|位|名|条|台|间|户|趟|回|次|个(?!月|小时|工作日|营业日|星期|季|点|半|自然日|基点|百分))(?!以[上下内后]|之?[后内前]|免费|及)"
)
_TIMES_BEFORE_LIMIT = re.compile(r"以[上下内后]|之?[后内前]|免费|及|\s?(?:free|a (?:day|week|month|year))\b")

# --- a part of an amount

_PART = re.compile(
    r"\b(?:fee|fees|charges?|costs?|commission|penalty|price|compensation|surcharge|down payment|premium)\b|\b(?:held back|withheld|deducted|kept back|put down)\b|\b(?:I|we)\s(?:have to\s|need to\s)?(?:pay|owe)\b"
    r"|[^存]费|补偿金|违约金|罚金|罚款|首付|押金|多少利息|利息(?:能|会|可以|可)?(?:有|得|拿|收到|是)?多少(?:钱|元)|[扣收交付贷借][^，。？?]{0,4}多少",
    re.IGNORECASE,
)
_RATE_ASKED = re.compile(
    r"\b(?:rates?|percent(?:age)?|per cent|share|proportion|margin|apr)\b|利率|费率|比例|百分之|几成|几个点|百分比|多少个?点|率", re.IGNORECASE
)
_ROW_BEFORE = re.compile(
    r"(?:\b(?:over|above|below|under|than|up to|from|to|least|most|exceed(?:s|ing)?|beyond|between|and|until|minimum|maximum|of up|worth over|limit)|[超过于至满达到]|不足|低于|最[低高多少]|起|[-–~])\s*(?:of\s)?$",
    re.IGNORECASE,
)
_ROW_BEHIND = re.compile(
    r"\s?(?:or (?:more|less|above|below|over)|and (?:above|below|over|more)|upwards|plus\b|[-–~]|以[上下内]|及以|起|或|到|至|档)", re.IGNORECASE
)
_MONEY = frozenset({Kind.AMOUNT})


def asks(question: str) -> Asks:
    """The first of the computations that a question asks for, or else whether it asks for several figures."""
    text = question[:_LENGTH]
    return _computation(text) or (Asks.SEVERAL if _several(text) else Asks.ONE)


def count_of(question: str) -> Decimal | None:
    """How many things of one price a question asks for; None where it names no such number, or a unit price is asked for."""
    text = question[:_LENGTH]
    if not _COST.search(text) or _OF_ONE.search(text):
        return None
    return next(_counts(text), None)


def stated_amount(question: str) -> Quantity | None:
    """The one amount that a question states exactly, and not as a bound."""
    amounts = [one for one in quantities(question[:_LENGTH]) if kind(one) in _MONEY]
    if len(amounts) != 1 or _ROW_BEFORE.search(question[: amounts[0].start]) or _ROW_BEHIND.match(question, amounts[0].end):
        return None
    return amounts[0]


def _computation(question: str) -> Asks | None:
    if _DIFFERENCE.search(question):
        return Asks.DIFFERENCE
    if _asks_sum(question):
        return Asks.SUM
    if count_of(question) is not None:
        return Asks.PRODUCT
    if _YEAR.search(question) and _COST.search(question) and not _LIMIT.search(question):
        return Asks.YEAR
    if _PART.search(question) and not _RATE_ASKED.search(question) and stated_amount(question) is not None:
        return Asks.PART
    return None


def _asks_sum(question: str) -> bool:
    """Words of a sum in the sentence that asks, or in a short one behind it: "I need six of them. Total?"."""
    if _LIMIT.search(question) or not (_COST.search(question) or _SUM_ALONE.search(question.rpartition(".")[2])):
        return False
    asking = [sentence for sentence in re.split(r"(?<=[?？!.。])\s*", question) if sentence]
    return any(_HAN_SUM.search(one) or _SUM_ALONE.search(one) or (_SUM.search(one) and _SUM_ASKED.search(one)) for one in asking)


def _counts(question: str) -> Iterator[Decimal]:
    for one in quantities(question):
        if not isinstance(one.value, Decimal) or not _countable(one) or not 2 <= one.value <= 999 or one.value % 1:
            continue
        if _BOUND_BEFORE.search(question, max(0, one.start - _BEFORE), one.start):
            continue
        if one.unit == TIMES:
            if not _TIMES_BEFORE_LIMIT.match(question, one.end):
                yield one.value
        elif one.unit or _THINGS.match(question, one.end) or _MEASURE.match(question, one.end):
            yield one.value


def _countable(one: Quantity) -> bool:
    """A bare number, so many times, or so many of what is counted in Chinese."""
    return one.unit in ("", TIMES) or (one.unit.startswith(UNKNOWN) and _MEASURE.fullmatch(one.unit.removeprefix(UNKNOWN)) is not None)


def _several(question: str) -> bool:
    if _ALL_OF.search(question) or _HAN_ALL_OF.search(question) or _two_interrogatives(question) or _two_in_chinese(question):
        return True
    return any(not (_ONE_PRICE.match(found["one"]) and _ONE_PRICE.match(found["other"])) for found in _SIDE_BY_SIDE.finditer(question))


def _two_interrogatives(question: str) -> bool:
    """Two that "and" joins, or two sentences that ask for figures of different kinds: the same may be asked twice."""
    found = [
        one
        for one in islice(_INTERROGATIVE.finditer(question), _MOST)
        if not one["word"].lower().startswith("wh") or one["word"].lower().startswith("when") or _OF_FIGURE.match(question, one.start("word"))
    ]
    for number, one in enumerate(found[1:], start=1):
        if re.search(r"\band\s(?:\w+\s)?(?:\w+\s)?$", question[: one.start("word")], re.IGNORECASE):
            return True
        end = found[number + 1].start() if number + 1 < len(found) else len(question)
        if _differ(question[found[number - 1].start("word") : one.start()], question[one.start("word") : end]):
            return True
    return False


def _two_in_chinese(question: str) -> bool:
    """Two interrogatives, the second in a clause that names something, or of another kind than the first. When and how long may be the same."""
    found = list(islice(_HAN_ASKS.finditer(question), _MOST))
    for one, other in pairwise(found):
        between = question[one.end() : other.start()]
        pieces = _HAN_CLAUSE.split(between)
        if len(pieces) == 1 and not re.search("[和与、而跟]", between):
            continue
        before = other.start() - len(pieces[-1])
        mine, theirs = _allowed(question[max(0, one.start() - _CLAUSE) : one.end() + 2]), _allowed(question[before : other.end() + _CLAUSE])
        both_time = all(Kind.PERIOD in kinds and Kind.AMOUNT not in kinds for kinds in (mine, theirs))
        if bool(_HAN_WHEN.match(one[0])) != bool(_HAN_WHEN.match(other[0])) and not any(_HAN_PERIOD.match(question, found.start()) for found in (one, other)):
            return True
        if re.search("[又而另]", pieces[-1]) or (_names_something(pieces[-1]) and not both_time) or not mine & theirs:
            return True
    return False


def _allowed(clause: str) -> frozenset[Kind]:
    return frozenset(Kind) - {Kind.DAYS} - barred(clause)


def _differ(one: str, other: str) -> bool:
    """Whether no figure can answer both."""
    return not _allowed(one) & _allowed(other)


def _names_something(clause: str) -> bool:
    tokens = (token for token in index_tokens(clause) if len(token) > 1)
    return any(token not in STOP_WORDS and not _HAN_EMPTY.fullmatch(token) for token in tokens)
