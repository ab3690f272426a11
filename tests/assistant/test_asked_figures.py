"""What do questions ask for: one figure, several, or a computation?"""

from __future__ import annotations

import pytest

from assistant.asked_figures import Asks, asks, count_of, stated_amount

_SEVERAL = """
What is the price of a card and of its replacement?
Is it dearer to send money online or at the branch?
What is the annual fee and what is the minimum payment?
What is the annual fee, and how long is the card valid?
How much does a transfer abroad cost and how long does it take?
What are the annual fee and the minimum payment?
What is the interest rate and the minimum balance of the savings account?
Tell me the rent and the key deposit of a small box.
Please give me the notice period and the penalty for early withdrawal.
What rates apply to A and B respectively?
What is the minimum and maximum loan amount?
From when to when is the hotline open?
Which is cheaper, the Blue or the Green card?
Which of the two cards costs less?
Is the Blue Card or the Green Card cheaper?
How old must I be, and how much must I earn?
I'd like to know what the transfer costs and when it must be submitted.
How many free withdrawals do I get, and what does every further one cost?
When is the fee charged and how much is it?
Until what time can I send a payment, and what is the fee?
What do I owe and when?
Annual fee of the Silver and the Gold card in each case?
Compare the fees of the two accounts.
Please compare the rates of the two loans.
What is the fee for the card and the limit for cash?
年费和最低还款额分别是多少？
年费和最低还款额是多少？
年费是多少，最低还款额是多少？
利率多少，期限多长？
贷款利率是多少？最长能借几年？
办卡要多少钱，几天能拿到？
甲卡和乙卡的年费各是多少？
金卡、白金卡各收多少年费？
两种账户各自的月费是多少？
热线几点到几点开通？
最低和最高能借多少？
金卡和银卡哪个更便宜？
哪个账户的月费更低？
起存金额和利率是多少？
转账手续费是多少，多久到账？
挂失要多少钱？补卡又要多少？
一天最多能取几次，每次最多取多少？
押金和租金分别收多少？
什么时候扣费，扣多少？
"""
_SUM = """
三张证明加一本存折收多少钱？
What do three such transfers cost in total?
What is the total cost of the loan?
What do I pay altogether for the transfer and the express surcharge?
The rent plus the deposit: how much is that?
What do the two fees add up to?
Fee and surcharge together?
How much will it all cost me together?
Two copies and one certificate. Total?
What will I owe for everything?
What is the sum of the two fees?
How much is the fee plus the surcharge?
一共要付多少?
总共要交多少钱？
手续费加电报费一共多少钱？
年费和工本费合计多少？
租金连押金要交多少钱？
两项费用加起来是多少？
开户费、年费全部加起来要多少钱？
三笔汇款共需多少手续费？
"""
_PRODUCT = """
What do three such transfers cost?
I send four payments abroad each month. What does that cost me?
How much are five copies?
I want to order 4 replacement cards. What do I have to pay?
We bring two guests. What will you charge?
What will twelve statements by post cost me?
Which fee do you charge for ten urgent payments?
What do you charge for two additional cards?
If I withdraw cash 7 times abroad, what do I pay?
补3张存折要多少钱？
打印五份流水收多少钱？
我要寄8封对账单，费用是多少？
带2位朋友进贵宾厅，要付多少钱？
境外取了4次钱，要扣多少手续费？
开两份证明，收多少？
"""
_DIFFERENCE = """
How big is the gap between the online and the branch fee?
How much more does the Gold Card cost than the Silver Card?
How much cheaper is the online transfer than at the counter?
How many euros a year dearer is A than B?
By how much is the rate for new cars lower than for used ones?
What is the difference between the two annual fees?
How much do I save with the online transfer?
How many days longer than a card does a transfer take?
金卡比银卡贵多少？
网上汇款比柜台便宜多少钱？
两张卡的年费相差多少？
三年期比一年期利率高多少？
两者差价是多少？
网上办能省多少钱？
"""
_YEAR = """
What does the account cost for a whole year?
How much is the safe over a full year?
What do I pay for the package over the year as a whole?
账户管理费一年下来多少钱？
全年要交多少管理费？
"""
_PART = """
What is the arrangement fee on a loan of SGD 30,000?
How much commission do I pay on a transfer of USD 5,000?
I take out EUR 400 at a foreign machine. What fee do I pay?
The house costs CHF 800,000. How much must I put down?
What penalty is due if I repay SGD 20,000 early?
汇5000美元手续费是多少？
提前还10万元，违约金多少？
房价300万元，首付要多少？
取现2000元要收多少手续费？
存20万元一年有多少利息？
"""
_ONE = """
What is the annual fee of the Gold Card?
How much can I withdraw per day in total?
What is the total limit of all my cards?
How many people work for the bank in total?
How much can I send abroad in a month altogether?
What does the Gold Plus card cost?
What does a replacement card cost?
I lost two cards. What does a replacement cost?
What do you charge per copy if I need five copies?
After how many attempts is the card locked?
After three withdrawals, what does each further one cost?
Which rate applies from SGD 50,000?
What rate do I get on a deposit of SGD 30,000?
What fee applies to loans over SGD 28,500?
What is the rate for 12 months?
What is the fee for transfers of more than USD 5,000?
Can I open the account together with my wife, and is there a fee?
My wife and I live together. What is the account fee?
Do you charge a fee, and if so how much?
What happens when my card expires, and what do I have to do?
How much does a card cost? What do you charge for it?
Which card do I need when I am 18?
I have two children. What does the youth account cost?
How long is the notice period of the 24-month deposit?
What is the fee for closing and reopening an account?
What does the bank charge for incoming and outgoing payments?
The card, which I lost in May, was free. What does a new one cost?
If I break the deposit, what interest do I lose?
By how much is the fee reduced for students?
What is the minimum age?
Is there a ceiling on how much I can hold?
What is the late fee if two instalments are missed?
How old must a passport copy be at most, and who certifies it?
What does the family package for four people cost?
Which account is best for me and my wife?
Within how many days must I report it and to whom?
What does the account cost a year?
What is the yearly fee?
Who pays for all the damage?
What are the terms and conditions?
Which clause says what the fee is?
What was the fee on 1 March 2024?
Which rate is lower?
My card was stolen twice. What will a new one cost?
How long do you keep my data after I leave?
Is there a fee for paying in coins, and how high is it?
In which year was the fee higher?
Which year has the higher fee?
How much more can I borrow?
How much higher may the limit be?
What is the interest rate of loan number 5?
What is the fee of 3 accounts or more?
哪个利率更低？
换了地址多久之内要通知银行？
我和妻子一起开户要交多少钱？
年费是多少？
这张卡收费吗，收多少？
我名下所有存款加起来最高可以有多少？
一天总共能转多少？
一共有多少名员工？
超过3次以后每次收多少？
错几次会被锁？
刚开没几个月就想销户，要收钱吗，收多少？
最高能借多少？
单笔最高多少钱？
单笔最低多少？
贷款20万元以上利率是多少？
存20万元一年利率是多少？
办理要多长时间？几天能好？
年费多少？要交多少钱？
我有两个孩子，开青少年账户收多少钱？
前3次免费，之后每笔多少钱？
第四次取现收多少？
分12期手续费率是多少？
各分行的营业时间一样吗？
各类贷款中利率最低是多少？
各位客户经理可以批多少？
最多可以办几张附属卡？
一年年费多少？
利率比去年高吗？
二套房首付比例至少多少？
首付比例最低多少？
质押比率最高几成？
占比最多多少？
百分比最高多少？
你们几点开门？
无论存多少，利率都一样吗？
员工房贷利率优惠多少？
这个账户比较适合老年人吗，月费多少？
满18岁后要交多少月费？
金卡的年费每年什么时候扣？
汇款要提前几个工作日申请？
"""
_ASKED = {Asks.SEVERAL: _SEVERAL, Asks.SUM: _SUM, Asks.PRODUCT: _PRODUCT, Asks.DIFFERENCE: _DIFFERENCE, Asks.YEAR: _YEAR, Asks.PART: _PART, Asks.ONE: _ONE}


@pytest.mark.parametrize("asked", Asks)
def test_what_questions_ask_for(asked: Asks) -> None:
    lines = _ASKED[asked].strip().split("\n")
    assert [(line, found) for line in lines if (found := asks(line)) is not asked] == []


@pytest.mark.parametrize(
    ("question", "count"),
    [
        ("What do three such transfers cost?", 3),
        ("What will twelve statements by post cost me?", 12),
        ("打印五份流水收多少钱？", 5),
        ("境外取了4次钱，要扣多少手续费？", 4),
        ("What does a card cost if I am 18 years old?", None),
        ("After three reminders, what do you charge?", None),
        ("What do five copies cost each?", None),
        ("我要寄8封对账单，每封费用是多少？", None),
    ],
)
def test_how_many_things_are_asked_for(question: str, count: int | None) -> None:
    assert count_of(question) == count


@pytest.mark.parametrize(
    ("question", "amount"),
    [
        ("What is the fee on a loan of SGD 30,000?", "SGD 30,000"),
        ("提前还10万元，违约金多少？", "10万元"),
        ("What is the fee on loans of over SGD 30,000?", None),
        ("What is the fee on SGD 30,000 or more?", None),
        ("What is the fee on loans from SGD 30,000 to SGD 50,000?", None),
        ("贷款10万元以上手续费多少？", None),
        ("What is the fee?", None),
    ],
)
def test_an_amount_that_is_no_bound(question: str, amount: str | None) -> None:
    found = stated_amount(question)
    assert (found and found.text) == amount


@pytest.mark.parametrize(
    "piece",
    [
        "what is the fee and ",
        "how much more ",
        "three cards ",
        "多少和",
        "年费和",
        "which is ",
        "plus the ",
        "SGD 5 fee ",
        "fee 2 the ",
        "多久能。",
        "几，国",
    ],
)
def test_of_a_long_text_of_the_same_words_the_beginning_is_read(piece: str) -> None:
    """These took the longest: an end of their time is the run's own limit."""
    text = piece * (2000 // len(piece) + 1)
    assert asks(text) is asks(text[:2000])
    assert asks(f"{text}. What do the two cost in total?") is asks(text)
