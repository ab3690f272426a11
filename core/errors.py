"""Every error that a caller, an operator or a service may want to tell apart.

    BankassistError
    ├── BadInput              what was sent cannot be used (exit 2, HTTP 400)
    │   ├── SettingsError         the settings file or an environment variable
    │   ├── TooLarge              over a published limit (HTTP 413)
    │   └── DocumentRefused       a file that cannot become a document (HTTP 422)
    ├── NotAuthenticated      no key, or a wrong one (HTTP 401)
    ├── NotAllowed            a valid key without the scope (HTTP 403)
    ├── NotFound              no such thing for this caller (HTTP 404)
    ├── Conflict              the state does not allow it (HTTP 409)
    ├── Overloaded            no room now, try again (HTTP 503)
    │   └── TooLate               not done by when the caller wanted it; trying again is no use (HTTP 503)
    ├── Unavailable           something that the work needs is missing or broken (exit 1, HTTP 503)
    │   └── IndexUnavailable      the search index does not answer; the local one may, if the settings say so
    │       └── IndexRefused          it is there, but cannot be used before somebody has put something right
    └── CallerLeft            the caller hung up, so the work was stopped (HTTP 499)

Messages say what, which value, what was expected and what to do. Refusing to answer is a result, not an error.
"""

from __future__ import annotations


class BankassistError(Exception):
    """``code`` is a stable word for programs; the message is for people."""

    code = "error"

    def __init__(self, message: str, *, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.param = param


class BadInput(BankassistError):
    """``param`` names the field, option or key at fault."""

    code = "invalid_request"


class SettingsError(BadInput):
    code = "invalid_settings"


class TooLarge(BadInput):
    code = "too_large"


class DocumentRefused(BadInput):
    """Codes: unsupported_format, unreadable, encrypted, no_text, wrong_type, too_large, bad_metadata."""

    code = "unreadable"


class NotAuthenticated(BankassistError):
    code = "invalid_api_key"


class NotAllowed(BankassistError):
    code = "not_allowed"


class NotFound(BankassistError):
    code = "not_found"


class Conflict(BankassistError):
    code = "conflict"


class Overloaded(BankassistError):
    code = "overloaded"


class TooLate(Overloaded):
    code = "deadline_exceeded"


class Unavailable(BankassistError):
    code = "unavailable"


class IndexUnavailable(Unavailable):
    code = "retriever_unavailable"


class IndexRefused(IndexUnavailable):
    """Credentials, version, mapping or state of the cluster."""

    code = "retriever_refused"


class CallerLeft(BankassistError):
    code = "caller_left"
