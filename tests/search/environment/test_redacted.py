"""Secrets are not shown: passwords, tokens and keys in the forms that URIs, commands, errors and records carry."""

import random
from urllib.parse import quote

import pytest

from search.environment.store import redacted

LETTERS = "abcXYZ0189"
HARD = "/@:? &#%+=-._~!$*,;"
SCHEMES = ("http", "https", "postgresql", "postgresql+psycopg2", "mysql+pymysql", "s3", "ftp", "sftp", "webdav")
PARAMETERS = (
    "access_token", "token", "password", "passwd", "sig", "X-Amz-Signature", "X-Amz-Security-Token",
    "X-Amz-Credential", "X-Goog-Signature", "api_key", "apikey", "secret", "AWSAccessKeyId", "sslpassword", "auth",
)  # fmt: skip


def secrets(count, letters, seed=0):
    """Secrets with an easily found middle, which no other part of the texts has; no host or port among them."""
    draw = random.Random(seed)
    for _ in range(count):
        around = ["".join(draw.choices(letters, k=draw.randint(1, 6))) for _ in range(2)]
        yield f"q{around[0]}QQQ{around[1]}q"


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("letters", [LETTERS, LETTERS + HARD], ids=["plain", "hard"])
def test_a_password_before_the_host_is_hidden_whatever_it_holds(scheme, letters):
    for secret in secrets(200, letters):
        for written in (secret, quote(secret, safe="")):
            uri = f"{scheme}://me:{written}@db.lab:5432/runs"
            assert redacted(uri) == f"{scheme}://me:***@db.lab:5432/runs", uri


@pytest.mark.parametrize(
    "text", ["cannot reach {}: refused", "('{}', 3)", 'File "x.py": {}', "a {} b\nc {}", "--uri={}"]
)
def test_a_password_within_a_text_is_hidden(text):
    for secret in secrets(200, LETTERS + "/@:%+-._~!$*"):
        uri, shown = (f"postgresql://me:{written}@db:5432/runs" for written in (secret, "***"))
        assert redacted(text.replace("{}", uri)) == text.replace("{}", shown), uri


def test_of_a_password_with_blanks_within_a_text_nothing_is_left():
    for secret in secrets(200, LETTERS + " @/:"):
        text = redacted(f"cannot reach postgresql://me:{secret}@db:5432/runs for now")
        assert text == "cannot reach postgresql://me:***@db:5432/runs for now", secret


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_secret_parameter_is_hidden_and_its_neighbours_are_not(name):
    for secret in secrets(50, LETTERS + "/:%+-._~!$*"):
        for key in (name, quote(name).replace("_", "%5F"), name.upper()):
            first = f"https://lab/x?{key}={secret}&page=3"
            assert redacted(first) == f"https://lab/x?{key}=***&page=3"
            assert redacted(f"see https://lab/x?page=3&{key}={secret} now") == f"see https://lab/x?page=3&{key}=*** now"
    assert "a b" not in redacted(f"https://lab/x?{name}=a b")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://TOKEN@host/x", "https://***@host/x"),
        ("git+https://TOKEN@host", "git+https://***@host"),
        ("https://TOKEN:@host", "https://***:***@host"),
        ("https://TOKEN:x-oauth-basic@host", "https://***:***@host"),
        ("https://:pw@host", "https://:***@host"),
        ("https://lab#access_token=abc", "https://lab#access_token=***"),
        ("to=https%3A%2F%2Fme%3Apw%40lab%2Fx", "to=https://me:***@lab/x"),
        ("http://a:b@c http://d:e@f/g", "http://a:***@c http://d:***@f/g"),
        ('{"uri":"http://me:pw@lab","mail":"a@b"}', '{"uri":"http://me:***@lab","mail":"a@b"}'),
        ("{'password': 'a b', 'size': 'c@d'}", "{'password': '***', 'size': 'c@d'}"),
        ("host=db password='a b' user=me", "host=db password='***' user=me"),
        ("MLFLOW_TRACKING_PASSWORD=ab RAY_AUTH_TOKEN=cd x", "MLFLOW_TRACKING_PASSWORD=*** RAY_AUTH_TOKEN=*** x"),
        ("AWS_SECRET_ACCESS_KEY=abc", "AWS_SECRET_ACCESS_KEY=***"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
    ],
)
def test_other_forms_of_secrets_are_hidden(text, shown):
    assert redacted(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "http://lab:5000/me@home",
        "http://[::1]:5000/a@b",
        "sftp://me@host/x",
        "abfs://container@account.dfs.core.windows.net/x",
        "postgresql://me@db/x",
        "sqlite:////data/me@home/mlflow.db?timeout=5",
        "s3://bucket/sweeps",
        "sqlite:////data/token=5/mlflow.db",
        "python -m search launch graformer --set network.token_width=5 --set data.keypoints=gt --name x@y",
        '["http://a","x@b"]',
        "sorted(names, key=len) at http://lab:5000; mail me@home",
    ],
)
def test_what_is_no_secret_stays(text):
    assert redacted(text) == text


def test_hiding_twice_is_hiding_once():
    for secret in secrets(300, LETTERS + "/@:?%+-._~!$*"):
        for text in (f"x://me:{secret}@h/y", f"see http://h/?token={secret}&b=1 TOKEN={secret}", f"http://{secret}@h"):
            assert redacted(redacted(text)) == redacted(text)
