"""All targets, by name.

Rules: one row each; a decoder that reads what others wrote and stands here not is a gap.
"""

from fuzz.target import Target
from fuzz.targets.answers import Answers
from fuzz.targets.doors import Doors, UnaryCalls
from fuzz.targets.entries import Entries
from fuzz.targets.folders import Folders, Records
from fuzz.targets.grades import Grades
from fuzz.targets.http2 import Http2
from fuzz.targets.images import Images
from fuzz.targets.peers import Peers
from fuzz.targets.proofs import Proofs
from fuzz.targets.records import Requests, Results
from fuzz.targets.reports import Reports
from fuzz.targets.settings import Settings
from fuzz.targets.sheets import Sheets
from fuzz.targets.wire import Wire

TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        Requests(),
        Results(),
        Peers(),
        Entries(),
        Reports(),
        Images(),
        Sheets(),
        Folders(),
        Records(),
        Doors(),
        UnaryCalls(),
        Http2(),
        Wire(),
        Proofs(),
        Answers(),
        Settings(),
        Grades(),
    )
}
