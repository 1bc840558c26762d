"""What each channel takes for a receiver, when two are the same, and what lists may show of them."""

from __future__ import annotations

import pytest
from pytest_django.fixtures import Settings

from notifications.channels import channel_class

WEBHOOK = "https://hooks.slack.com/services/T024BE7LH/B1/XXsecretXX"


@pytest.mark.parametrize(
    ("channel", "receiver"),
    [
        ("EMAIL", "test@gmail.com"),
        ("EMAIL", "o'brien+tag=x@sub.example.co.uk"),
        ("EMAIL", "a@xn--exmple-cua.com"),
        ("EMAIL", "a@exämple.com"),
        ("EMAIL", "kasse@faß.example"),
        ("EMAIL", "a@例え.テスト"),
        ("EMAIL", "a@ประเทศไทย.example"),
        ("EMAIL", f"{'a' * 64}@example.com"),
        ("EMAIL", f"a@{'b' * 63}.{'c' * 63}.{'d' * 63}.{'e' * 60}"),
        ("SMS", "+12345678"),
        ("SMS", "+123456789012345"),
        ("SLACK", WEBHOOK),
        ("SLACK", "HTTPS://Hooks.Slack.com:443/services/T0/B0/x"),
        ("SLACK", "C024BE91L"),
        ("SLACK", "U024BE7LH"),
        ("SLACK", "W012A3CDE"),
        ("SLACK", "D024BFF1M"),
        ("SLACK", "G012AC86C"),
    ],
)
def test_taken(channel: str, receiver: str) -> None:
    assert channel_class(channel).receiver_problem(receiver) is None


@pytest.mark.parametrize(
    ("channel", "receiver"),
    [
        ("EMAIL", ""),
        ("EMAIL", "a"),
        ("EMAIL", "a@b"),
        ("EMAIL", "@example.com"),
        ("EMAIL", "a@b@example.com"),
        ("EMAIL", "a@example.com,b@example.com"),
        ("EMAIL", "a@example.com;b@example.com"),
        ("EMAIL", "a@example.com b@example.com"),
        ("EMAIL", "Bob <bob@example.com>"),
        ("EMAIL", "<bob@example.com>"),
        ("EMAIL", '"a b"@example.com'),
        ("EMAIL", "a@[127.0.0.1]"),
        ("EMAIL", "a@127.0.0.1"),
        ("EMAIL", ".a@example.com"),
        ("EMAIL", "a..b@example.com"),
        ("EMAIL", "a@-example.com"),
        ("EMAIL", "a@example-.com"),
        ("EMAIL", "a@example.com-"),
        ("EMAIL", f"a@{'x' * 64}.com"),
        ("EMAIL", "a@example.com."),
        ("EMAIL", "a@example.com\n"),
        ("EMAIL", "a@example.com\r\nBcc: b@example.com"),
        ("EMAIL", "a\x00@example.com"),
        ("EMAIL", " a@example.com"),
        ("EMAIL", "ä@example.com"),
        ("EMAIL", "a@b＠example.com"),
        ("EMAIL", "a@☃.example"),
        ("EMAIL", "a@i❤.example"),
        ("EMAIL", "a@exa_mplä.com"),
        ("EMAIL", "a@-ä.com"),
        ("EMAIL", "a@א1a.example"),
        ("EMAIL", "a@ä..com"),
        ("EMAIL", "a@exämple.com."),
        ("EMAIL", "a@exämple.com。"),
        ("EMAIL", "a@\u0301a.com"),
        ("EMAIL", "a@\ud800ä.com"),
        ("EMAIL", f"a@{'ä' * 63}.com"),
        ("EMAIL", f"a@{'ä' * 64}.com"),
        ("EMAIL", "a@" + "".join(map(chr, range(0x4E00, 0x4E00 + 3_000))) + ".com"),
        ("EMAIL", f"{'a' * 65}@example.com"),
        ("EMAIL", f"a@{'b' * 64}.com"),
        ("EMAIL", f"a@{'b' * 63}.{'c' * 63}.{'d' * 63}.{'e' * 61}"),
        ("SMS", ""),
        ("SMS", "4155550123"),
        ("SMS", "+0155550123"),
        ("SMS", "+1234567"),
        ("SMS", "+1234567890123456"),
        ("SMS", "+1 415 555 0123"),
        ("SMS", "+14155550123\n"),
        ("SMS", "+1415555012٣"),
        ("SMS", "whatsapp:+14155550123"),
        ("SMS", "+14155550123,+14155550124"),
        ("SLACK", ""),
        ("SLACK", "#general"),
        ("SLACK", "c024be91l"),
        ("SLACK", "C024BE91L\n"),
        ("SLACK", "T024BE7LH"),
        ("SLACK", "C1"),
        ("SLACK", "http://hooks.slack.com/services/T0/B0/x"),
        ("SLACK", "https://hooks.slack.com/services/"),
        ("SLACK", "https://hooks.slack.com/Services/T0/B0/x"),
        ("SLACK", "https://hooks.slack.com/other/T0/B0/x"),
        ("SLACK", "https://hooks.slack.com.evil.example/services/T0/B0/x"),
        ("SLACK", "https://hooks.slack.com./services/T0/B0/x"),
        ("SLACK", "https://hooks.slack.com:444/services/T0/B0/x"),
        ("SLACK", "https://hooks.slack.com:99999/services/T0/B0/x"),
        ("SLACK", "https://hooks.slack.com@evil.example/services/T0/B0/x"),
        ("SLACK", "https://evil@hooks.slack.com/services/T0/B0/x"),
        ("SLACK", "https://evil.example\\@hooks.slack.com/services/T0/B0/x"),
        ("SLACK", "https://hooks.slack.com/services/../admin"),
        ("SLACK", "https://hooks.slack.com/services/./x"),
        ("SLACK", "https://hooks.slack.com/services/%2e%2e/admin"),
        ("SLACK", "https://hooks.slack.com/services/T0//x"),
        ("SLACK", "https://hooks.slack.com/services/T0/"),
        ("SLACK", "https://hooks.slack.com/services/T0?x=1"),
        ("SLACK", "https://hooks.slack.com/services/T0#x"),
        ("SLACK", "https://hooks.slack.com/services/T0 x"),
        ("SLACK", "https://hooks.slack.com/services/T0\n"),
        ("SLACK", "https://hooks.slack.com/services/Tä"),
        ("SLACK", "https://[::1/services/T0"),
        ("SLACK", f"{WEBHOOK},{WEBHOOK}"),
    ],
)
def test_refused(channel: str, receiver: str) -> None:
    problem = channel_class(channel).receiver_problem(receiver)
    assert problem
    assert problem.startswith("Must ")


def test_webhooks_on_loopback_where_settings_say_so(settings: Settings) -> None:
    settings.SLACK_WEBHOOK_PREFIXES = ["http://127.0.0.1:9000/hook/", "http://[::1]/hook/"]
    slack = channel_class("SLACK")
    assert slack.receiver_problem("http://127.0.0.1:9000/hook/x") is None
    assert slack.receiver_problem("http://[::1]:80/hook/x") is None
    assert slack.canonical("http://[::1]:80/hook/x") == "http://[::1]/hook/x"
    assert slack.receiver_problem("http://127.0.0.1/hook/x")
    assert slack.receiver_problem("http://127.0.0.1:9001/hook/x")
    assert slack.receiver_problem(WEBHOOK)


@pytest.mark.parametrize(
    ("channel", "one", "other"),
    [
        ("EMAIL", "Bob@Example.COM", "Bob@example.com"),
        ("EMAIL", "bob@EXÄMPLE.com", "bob@xn--exmple-cua.com"),
        ("EMAIL", "bob@exa\u0308mple。com", "bob@xn--exmple-cua.com"),
        ("EMAIL", "bob@FAẞ.example", "bob@xn--fa-hia.example"),
        ("EMAIL", "bob@XN--FA-HIA.example", "bob@xn--fa-hia.example"),
        ("EMAIL", "bob@βόλος.example", "bob@xn--nxasmm1c.example"),
        ("SLACK", "HTTPS://Hooks.Slack.com:443/services/T0/B0/x", "https://hooks.slack.com/services/T0/B0/x"),
    ],
)
def test_one_spelling(channel: str, one: str, other: str) -> None:
    rules = channel_class(channel)
    assert rules.canonical(one) == rules.canonical(other) == other


@pytest.mark.parametrize(
    ("channel", "one", "other"),
    [
        ("EMAIL", "bob@example.com", "Bob@example.com"),
        ("EMAIL", "bob@faß.example", "bob@fass.example"),
        ("EMAIL", "bob@βόλος.example", "bob@βόλοσ.example"),
        ("SLACK", "https://hooks.slack.com/services/T0/B0/x", "https://hooks.slack.com/services/T0/B0/X"),
        ("SMS", "+14155550123", "+14155550124"),
    ],
)
def test_different_receivers(channel: str, one: str, other: str) -> None:
    rules = channel_class(channel)
    assert rules.canonical(one) != rules.canonical(other)


@pytest.mark.parametrize(
    ("channel", "limit", "character"),
    [
        ("EMAIL", 262_144, "a"),
        ("EMAIL", 131_072, "ä"),
        ("EMAIL", 65_536, "😀"),
        ("SLACK", 4_000, "😀"),
        ("SMS", 1_600, "ä"),
    ],
)
def test_limits(channel: str, limit: int, character: str) -> None:
    rules = channel_class(channel)
    assert not rules.too_long(character * limit)
    assert rules.too_long(character * limit + "a")


@pytest.mark.parametrize(
    ("channel", "receiver", "shown"),
    [
        ("EMAIL", "bob@example.com", "b…@example.com"),
        ("SMS", "+14155550123", "+14…23"),
        ("SLACK", "C024BE91L", "C…91L"),
        ("SLACK", WEBHOOK, "https://hooks.slack.com/services/T024BE7LH/…"),
        ("SLACK", "https://hooks.slack.com/services/onlysecret", "https://hooks.slack.com/services/…"),
        ("SLACK", "https://elsewhere.example/secret", "…"),
        ("SMS", "garbage", "…"),
        ("EMAIL", "garbage", "…"),
    ],
)
def test_mask(channel: str, receiver: str, shown: str) -> None:
    assert channel_class(channel).mask(receiver) == shown
