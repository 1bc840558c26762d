"""Users of a broker's SASL_SSL listener, and what they may do."""

from __future__ import annotations

from collections.abc import Iterable

from confluent_kafka.admin import (
    AclBinding,
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from harness.services.kafka import PASSWORD


def add_user(servers: str, name: str) -> None:
    """Makes a user with the password of the harness, and no rights."""
    admin = AdminClient({"bootstrap.servers": servers})  # whose answers end with it
    login = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
    upsertion = UserScramCredentialUpsertion(name, login, PASSWORD.encode())
    admin.alter_user_scram_credentials([upsertion])[name].result(30)


def give_rights(servers: str, rights: Iterable[AclBinding]) -> None:
    admin = AdminClient({"bootstrap.servers": servers})
    for made in admin.create_acls(list(rights)).values():
        made.result(30)
