"""Passes, and that both verifiers that sites copy give the same verdict on the same pass, for the same reason."""

import base64
import hashlib
import hmac
import json
import string
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from hypothesis import given
from hypothesis import strategies as st

from apps.waitingroom import fullhouse_pass
from apps.waitingroom.fullhouse_pass import PassClaims, PassError
from apps.waitingroom.passes import pass_key, pass_sign, pass_verify
from apps.waitingroom.tickets import client_mark
from tests.services.node import find_node

ISSUED_MS = 1_800_000_000_789
ISSUED = 1_800_000_000
CLIENT = client_mark("192.0.2.7\nAgent/1.0")
NAMES = st.text(string.ascii_letters + string.digits + "-_", min_size=1, max_size=64)
NUMBERS = st.integers(0, 10**15 - 1)
PARTS = ["version", "zone", "epoch", "place", "client", "issued", "expires", "mac"]
GOOD = PassClaims("concert", 3, 123_456, CLIENT, ISSUED, ISSUED + 600)

Verdict = tuple[str, PassClaims | None]
Verify = Callable[..., Verdict]


def signed(**other: Any) -> str:
    claims = {
        "zone_id": "concert",
        "epoch": 3,
        "place": 123_456,
        "client": CLIENT,
        "issued_ms": ISSUED_MS,
        "pass_s": 600,
    }
    return pass_sign(**{**claims, **other})


def replaced(token: str, part: int, value: str) -> str:
    parts = token.split(".")
    parts[part] = value
    return ".".join(parts)


def altered(token: str, part: int) -> str:
    old = token.split(".")[part]
    return replaced(token, part, ("8" if old[0] != "8" else "9") + old[1:])


# --- both verifiers behind one signature --------------------------------------------------------------------------


def verify_in_python(token: Any, *, key: Any = None, zone: str = "concert", **options: Any) -> Verdict:
    options.setdefault("now", ISSUED + 1)
    try:
        return "good", fullhouse_pass.verify(token, pass_key("concert").hex() if key is None else key, zone, **options)
    except PassError as error:
        return (error.reason if str(error) == error.reason else "inconsistent"), None
    except ValueError:
        return "no key", None


ASK_NODE = """
import { createInterface } from "node:readline";
import { PassError, verify } from %s;
for await (const line of createInterface({ input: process.stdin })) {
  const { token, key, zone, options } = JSON.parse(line);
  let answer;
  try {
    answer = ["good", await verify(token, typeof key === "string" ? key : Uint8Array.from(key), zone, options)];
  } catch (error) {
    if (error instanceof PassError && error instanceof Error && error.message === error.reason) {
      answer = [error.reason, null];
    } else if (error instanceof TypeError) {
      answer = ["no key", null];
    } else {
      throw error;
    }
  }
  console.log(JSON.stringify(answer));
}
"""


@pytest.fixture(scope="module")
def verify_in_node(tmp_path_factory: pytest.TempPathFactory):
    """`verify_in_python`, asked of static/js/fullhouse_pass.mjs in one Node process."""
    module = Path(django_settings.BASE_DIR) / "static" / "js" / "fullhouse_pass.mjs"
    script = tmp_path_factory.mktemp("node") / "ask.mjs"
    script.write_text(ASK_NODE % json.dumps(module.as_uri()))
    with subprocess.Popen([find_node(), script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        ask, answer = process.stdin, process.stdout

        def verify(token: Any, *, key: Any = None, zone: str = "concert", **options: Any) -> Verdict:
            options.setdefault("now", ISSUED + 1)
            raw = pass_key("concert").hex() if key is None else key
            sendable = list(raw) if isinstance(raw, bytes) else raw
            ask.write(json.dumps({"token": token, "key": sendable, "zone": zone, "options": options}) + "\n")
            ask.flush()
            reason, claims = json.loads(answer.readline())
            return reason, None if claims is None else PassClaims(**claims)

        yield verify
        ask.close()
        assert process.wait(10) == 0


@pytest.fixture(params=["python", "javascript"])
def verify(request: pytest.FixtureRequest) -> Verify:
    """Each of the verifiers that a protected site may copy: its word, and the claims of a good pass."""
    return verify_in_python if request.param == "python" else request.getfixturevalue("verify_in_node")


# --- what both must say -------------------------------------------------------------------------------------------


def test_a_pass_has_the_form_that_its_module_promises() -> None:
    token = signed()
    *body, mac = token.split(".")
    assert body == ["fp1", "concert", "3", "123456", CLIENT, "1800000000", "1800000600"]
    digest = hmac.new(pass_key("concert"), ".".join(body).encode(), hashlib.sha256).digest()
    assert mac == base64.urlsafe_b64encode(digest).decode().rstrip("=")


def test_a_claim_that_is_repeated_gives_the_same_pass() -> None:
    assert signed() == signed()
    assert signed(issued_ms=ISSUED * 1000) == signed(issued_ms=ISSUED * 1000 + 999)


def test_a_good_pass_reads_back(verify: Verify) -> None:
    assert verify(signed()) == ("good", GOOD)
    assert verify(signed(), client=CLIENT) == ("good", GOOD)
    assert verify(signed(), key=pass_key("concert")) == ("good", GOOD)
    assert verify(signed(), key=pass_key("concert").hex().upper() + "\n") == ("good", GOOD)


@pytest.mark.parametrize("part", range(8), ids=PARTS)
def test_no_part_can_be_altered(verify: Verify, part: int) -> None:
    expected = {"version": "malformed", "zone": "other_zone"}.get(PARTS[part], "forged")
    assert verify(altered(signed(), part)) == (expected, None)


def test_a_pass_is_good_until_its_second_and_not_at_it(verify: Verify) -> None:
    assert verify(signed(), now=ISSUED + 599.999) == ("good", GOOD)
    assert verify(signed(), now=ISSUED + 600) == ("expired", None)
    assert verify(signed(), now=ISSUED + 10**9) == ("expired", None)


def test_the_clock_is_asked_when_no_time_is_given(verify: Verify) -> None:
    assert verify(signed(issued_ms=1_000_000), now=None) == ("expired", None)
    assert verify(signed(pass_s=10**9), now=None)[0] == "good"


def test_a_pass_of_another_zone_or_client_opens_nothing(verify: Verify) -> None:
    assert verify(signed(zone_id="stadium")) == ("other_zone", None)
    assert verify(signed(), zone="stadium", key=pass_key("stadium").hex()) == ("other_zone", None)
    assert verify(signed(), client=client_mark("192.0.2.8\nAgent/1.0")) == ("other_client", None)
    assert verify(signed(), client="") == ("other_client", None)


def test_the_key_of_one_zone_makes_no_pass_for_another(verify: Verify) -> None:
    renamed = replaced(signed(zone_id="stadium"), 1, "concert")
    assert verify(renamed) == ("forged", None)
    assert verify(signed(), key=pass_key("stadium").hex()) == ("forged", None)


def test_the_first_reason_that_holds_is_told(verify: Verify) -> None:
    late = {"now": ISSUED + 600, "client": "somebody"}
    assert verify(signed(), zone="stadium", **late) == ("other_zone", None)
    assert verify(altered(signed(), 7), **late) == ("forged", None)
    assert verify(signed(), **late) == ("expired", None)


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "fp1",
        "fp1.......",
        "x" * 1_000_000,
        "fp1." + "9" * 1_000_000,
        "fp2" + signed()[3:],
        " " + signed(),
        signed() + "\n",
        signed() + ".",
        signed() + "=",
        signed()[:-1],
        signed() + "A",
        "." + signed(),
        signed().replace("fp1", "FP1"),
        replaced(signed(), 1, ""),
        replaced(signed(), 1, "x" * 65),
        replaced(signed(), 1, "콘서트"),
        replaced(signed(), 2, "-3"),
        replaced(signed(), 2, "03"),
        replaced(signed(), 3, "1e5"),
        replaced(signed(), 3, "1" * 16),
        replaced(signed(), 3, "٣"),
        replaced(signed(), 4, ""),
        replaced(signed(), 5, "1800000000.0"),
        replaced(signed(), 6, " 1800000600"),
        replaced(signed(), 6, "1800000600\u2028"),
        replaced(signed(), 7, "é" * 43),
        "\U0001f3ab" + signed()[1:],
        None,
        7,
        ["fp1"],
        {},
    ],
)
def test_what_has_not_the_form_is_malformed(verify: Verify, token: Any) -> None:
    assert verify(token) == ("malformed", None)


def test_a_mac_has_one_spelling(verify: Verify) -> None:
    """43 letters carry two bits more than the mac has: the three other spellings of them are refused."""
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    token = signed()
    last = alphabet.index(token[-1])
    assert last % 4 == 0
    for spare in (1, 2, 3):
        assert verify(token[:-1] + alphabet[last + spare]) == ("malformed", None)


@pytest.mark.parametrize("key", ["", "00", "x" * 64, "0" * 63, "0" * 66, b"", b"x" * 31, b"x" * 33])
def test_what_is_no_key_is_a_mistake_of_the_site_and_not_of_the_pass(verify: Verify, key: str | bytes) -> None:
    assert verify(signed(), key=key) == ("no key", None)
    assert verify("malformed too", key=key) == ("no key", None)


@given(zone=NAMES, epoch=NUMBERS, place=NUMBERS, client=NAMES, issued=st.integers(0, 10**12), pass_s=NUMBERS)
def test_the_longest_and_oddest_passes_read_alike(
    verify_in_node: Verify, zone: str, epoch: int, place: int, client: str, issued: int, pass_s: int
) -> None:
    expires = min(issued + pass_s, 10**15 - 1)
    token = pass_sign(
        zone_id=zone, epoch=epoch, place=place, client=client, issued_ms=issued * 1000, pass_s=expires - issued
    )
    asked: dict[str, Any] = {"key": pass_key(zone), "zone": zone, "client": client, "now": issued}
    verdict = verify_in_python(token, **asked)
    assert verdict == verify_in_node(token, **asked)
    expected = PassClaims(zone, epoch, place, client, issued, expires)
    assert verdict == (("good", expected) if expires > issued else ("expired", None))


@given(data=st.data())
def test_no_changed_character_is_accepted_by_either_and_both_say_why(
    verify_in_node: Verify, data: st.DataObject
) -> None:
    token = signed()
    at = data.draw(st.integers(0, len(token) - 1))
    # Surrogates cannot be sent to Node as UTF-8.
    letter = data.draw(st.characters(exclude_categories=["Cs"]).filter(lambda each: each != token[at]))
    changed = token[:at] + letter + token[at + 1 :]
    verdict = verify_in_python(changed)
    assert verdict == verify_in_node(changed)
    assert verdict[0] in {"malformed", "forged", "other_zone"}


# --- our own side -------------------------------------------------------------------------------------------------


def test_our_own_check_is_the_copied_one() -> None:
    assert pass_verify(signed(), zone_id="concert", now=ISSUED + 1) == GOOD
    refused: list[tuple[str, dict[str, Any], str]] = [
        ("", {}, "malformed"),
        (signed(zone_id="stadium"), {}, "other_zone"),
        (altered(signed(), 7), {}, "forged"),
        (signed(), {"now": ISSUED + 600}, "expired"),
        (signed(), {"client": "somebody"}, "other_client"),
    ]
    for token, options, reason in refused:
        with pytest.raises(PassError) as caught:
            pass_verify(token, zone_id="concert", **{"now": ISSUED + 1, **options})
        assert caught.value.reason == reason


def test_a_replaced_key_is_good_while_it_is_a_fallback(settings) -> None:
    old = settings.SECRET_KEY
    token = signed()
    settings.SECRET_KEY = "a new key, which has signed nothing so far, for the time from now on"
    with pytest.raises(PassError, match="forged"):
        pass_verify(token, zone_id="concert", now=ISSUED)
    settings.SECRET_KEY_FALLBACKS = ["an even older key", old]
    assert pass_verify(token, zone_id="concert", now=ISSUED) == GOOD
    assert pass_verify(signed(), zone_id="concert", now=ISSUED) == GOOD
    with pytest.raises(PassError, match="expired"):
        pass_verify(token, zone_id="concert", now=ISSUED + 600)
    with pytest.raises(PassError, match="other_client"):
        pass_verify(token, zone_id="concert", now=ISSUED, client="somebody")


def test_the_copied_module_needs_the_standard_library_alone() -> None:
    """It is run as a protected site would: a copy, with nothing of ours or of Django's on the path."""
    code = f"import sys; sys.path.insert(0, {str(Path(fullhouse_pass.__file__).parent)!r}); import fullhouse_pass as f;"
    code += f"print(f.verify({signed()!r}, {pass_key('concert').hex()!r}, 'concert', now={ISSUED}).place)"
    ran = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "123456\n"
