"""The codes with which SRT callers are refused.

Source: SRT Access Control (Stream ID) Guidelines, "Rejection codes".
"""

from typing import Final

from headend.errors import Refusal

BAD_REQUEST: Final = 1400
OVERLOADED: Final = 1402

CODES: Final = {
    Refusal.DENIED: 1403,
    Refusal.WRONG_SECRET: 1401,
    Refusal.SHUT_OUT: 1403,
    Refusal.TOO_MANY: OVERLOADED,
    Refusal.NAME_TAKEN: 1409,
    Refusal.FULL: OVERLOADED,
    Refusal.NOT_FOUND: 1404,
    Refusal.BUSY: OVERLOADED,
    Refusal.LOOP: 1403,
    Refusal.UNDECIDED: 1500,
    Refusal.ELSEWHERE: 1403,
    Refusal.STOPPING: 1503,
    Refusal.REMOTE: 1502,
}
