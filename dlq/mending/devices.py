"""The devices of people whose letters are corrected: those with the same wrong address are corrected, too."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from dlq.mending.candidates import Candidate
from notifications.channels import channel_class
from notifications.messages.words import StaffVerb
from project.database.dialects import Dialect, Statement, as_json
from project.desk.audit import change_of_receiver, expect, write_changes
from users.people.models import Device

Address = tuple[str, str]  # channel, canonical receiver

_COLUMNS = {"device": "bigint", "before": "text", "after": "text"}


class DeviceChange(msgspec.Struct, frozen=True):
    """A device that has the wrong address of a letter, and the right one."""

    device: int
    username: str
    channel: str
    before: str
    after: str


@dataclass(slots=True)
class Devices:
    """The devices of some people.

    `faulty` can be corrected. `kept` of the wrong ones cannot, because their person has the right address as well.
    `addresses` are those of each person, the corrected ones among them.
    """

    faulty: list[DeviceChange] = field(default_factory=list)
    kept: int = 0
    addresses: dict[str, set[Address]] = field(default_factory=lambda: defaultdict(set))

    def knows(self, letter: Candidate) -> bool:
        """Returns True where the letter's new receiver is a device of its person, or will be."""
        return bool(letter.user) and _address(letter.channel, letter.after) in self.addresses[letter.user]


def devices_of(letters: Iterable[Candidate], *, lock: bool = False) -> Devices:
    """Returns what the directory has of the people of these letters, with one statement.

    With `lock`, inside a transaction, the rows are locked; those that somebody else has locked are left out.
    """
    right_ones: dict[tuple[str, Address], str] = {
        (letter.user, _address(letter.channel, letter.before)): letter.after for letter in letters if letter.user
    }
    found = Devices()
    if not right_ones:
        return found
    rows = Device.objects.filter(user__username__in={user for user, _ in right_ones}).order_by("pk")
    if lock:
        rows = rows.select_for_update(skip_locked=True, of=("self",))
    devices = list(rows.values_list("pk", "user__username", "channel", "address"))
    for _, username, channel, address in devices:
        found.addresses[username].add(_address(channel, address))
    for pk, username, channel, address in devices:
        after = right_ones.get((username, _address(channel, address)))
        if after is None:
            continue
        if _address(channel, after) in found.addresses[username]:
            found.kept += 1
        else:
            found.faulty.append(DeviceChange(pk, username, channel, address, after))
            found.addresses[username].add(_address(channel, after))
    return found


def correct_devices(changes: Sequence[DeviceChange], actor: str, note: str) -> None:
    """Corrects these devices, which the caller has locked, with two statements. Each is a staff action of its own."""
    if not changes:
        return
    expect(len(changes), len(readdress_devices(rows=as_json(changes))))
    rows = [(_target(each), None, change_of_receiver(each.channel, each.before, each.after)) for each in changes]
    write_changes(actor, StaffVerb.MEND_DEVICE, rows, note)


def _target(device: DeviceChange) -> str:
    return f"user {device.username}"[:100]


def _address(channel: str, receiver: str) -> Address:
    try:
        return channel, channel_class(channel).canonical(receiver)
    except KeyError:  # of a channel that is no longer registered
        return channel, receiver


@Statement
def readdress_devices(d: Dialect) -> str:
    return f"""
        UPDATE users_device AS n SET address = r.after
        FROM {d.rows(_COLUMNS)} WHERE n.id = r.device AND n.address = r.before
        {d.returning("id")}"""
