"""The gate before a release: each thing that a root may not hold."""

from pathlib import Path

import pytest
from programs import output_of

from ssiuml.errors import SsiumlError
from ssiuml.host.files import CHUNK_BYTES
from ssiuml.release.hygiene import MOST_SHOWN, check_hygiene, set_id_programs
from ssiuml.tree.tree import Extent, Kind, Literal, Meta, Node, Tree, directory, file, symlink

BUILDER = ["/home/builder/checkout", "/home/builder/.cache/ssiuml", "/srv", "/usr/lib"]
PASSWD = b"root:x:0:0::/root:/bin/sh\ndaemon:*:1:1::/:/bin/false\n\n"
SHADOW = b"root:$6$salt$hash:19000:0:99999:7:::\ndaemon:*:19000::::::\nbin:!:19000::::::\nx:!*::::::\n"


def _root() -> Tree:
    """A root with everything that is allowed."""
    tree = Tree()
    put = tree.add
    put("etc/passwd", file(Literal(PASSWD), Meta(mode=0o644)))
    put("etc/shadow", file(Literal(SHADOW), Meta(mode=0o640)))
    put("etc/machine-id", file(Literal(b""), Meta(mode=0o444)))
    put("var/lib/dbus/machine-id", file(Literal(b"uninitialized\n"), Meta(mode=0o444)))
    put("etc/ssh/sshd_config", file(Literal(b"# HostKey /etc/ssh/ssh_host_rsa_key\n"), Meta(mode=0o644)))
    put("etc/ssh/ssh_host_rsa_key", file(Literal(b""), Meta(mode=0o600)))
    put("tmp", directory(Meta(mode=0o1777)))
    put("var/tmp", directory(Meta(mode=0o1777)))
    put("var/mail", directory(Meta(mode=0o2775)))
    put("dev/null", Node(Kind.CHARACTER, Meta(mode=0o666), device=(1, 3)))
    put("dev/disk", Node(Kind.BLOCK, Meta(mode=0o666), device=(7, 0)))
    put("run/queue", Node(Kind.FIFO, Meta(mode=0o666)))
    put("run/socket", Node(Kind.SOCKET, Meta(mode=0o777)))
    put("usr/lib/libx.so", symlink("libx.so.1"))
    put("usr/bin/su", file(Literal(b"\x7fELF"), Meta(mode=0o4755)))
    put("usr/share/doc/keys", file(Literal(b"It begins: -----BEGIN PRIVATE KEY-----"), Meta(mode=0o644)))
    put("usr/share/paths", file(Literal(b"/srv/x /usr/lib/x /home/builder/.cache /check"), Meta(mode=0o644)))
    put("var/log/wtmp", file(Literal(b""), Meta(mode=0o664)))
    put("var/log/dpkg.log", file(Literal(b""), Meta(mode=0o644)))
    put("var/cache/apt/archives/lock", file(Literal(b""), Meta(mode=0o640)))
    put("root/.profile", file(Literal(b"umask 022\n"), Meta(mode=0o644)))
    program = b"\x7fELF\0-----BEGIN OPENSSH PRIVATE KEY-----\n\0-----END OPENSSH PRIVATE KEY-----\n\0"
    put("usr/bin/ssh", file(Literal(program), Meta(mode=0o755)))
    library = program + b"-----BEGIN RSA PRIVATE KEY-----\n" + b"MIIEow" * 20 + b"\n"
    put("usr/lib/libtls.so", file(Literal(library), Meta(mode=0o644)))
    put("etc/ssl/certs/x.pem", file(Literal(b"-----BEGIN CERTIFICATE-----\n"), Meta(mode=0o644)))
    return tree


def _problems(tree: Tree, allowed: list[str] | None = None) -> str:
    with pytest.raises(SsiumlError, match="the root may not be released") as caught:
        check_hygiene(tree, ["/usr/bin/su"] if allowed is None else allowed, BUILDER)
    return caught.value.message


def test_a_root_with_everything_that_is_allowed_passes() -> None:
    check_hygiene(_root(), ["/usr/bin/su", "/usr/bin/absent"], BUILDER)


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("etc/ssh/ssh_host_ed25519_key", "a host key"),
        ("etc/ssh/ssh_host_ecdsa_key.pub", "a host key"),
        ("etc/ssi/ssh/key", "a host key"),
        ("etc/dropbear/dropbear_rsa_host_key", "a host key"),
        ("etc/machine-id", "the id of one machine"),
        ("var/lib/dbus/machine-id", "the id of one machine"),
        ("var/lib/systemd/random-seed", "a secret"),
        ("var/lib/urandom/random-seed", "a secret"),
        ("etc/corosync/authkey", "a secret"),
        ("root/.bash_history", "a person's trace"),
        ("root/.python_history", "a person's trace"),
        ("root/.lesshst", "a person's trace"),
        ("root/.viminfo", "a person's trace"),
        ("root/.ssh/authorized_keys", "a person's trace"),
        ("root/.gnupg/pubring.kbx", "a person's trace"),
        ("home/someone/.cache/deep/er", "a person's trace"),
        ("var/cache/apt/archives/x_1_amd64.deb", "a package cache"),
        ("var/cache/apt/archives/partial/x_1_amd64.deb", "a package cache"),
        ("var/cache/apt/pkgcache.bin", "a package cache"),
        ("var/lib/apt/lists/deb.debian.org_debian_dists_x_Release", "a package cache"),
        ("var/log/apt/history.log", "a log of the build"),
        ("var/log/dpkg.log", "a log of the build"),
        ("var/log/bootstrap.log", "a log of the build"),
        ("var/log/alternatives.log", "a log of the build"),
        ("tmp/x", "a temporary file"),
        ("tmp/deep/er", "a temporary file"),
        ("var/tmp/x", "a temporary file"),
    ],
)
def test_a_unique_or_left_over_file_is_found(path: str, what: str) -> None:
    tree = _root()
    tree.add(path, file(Literal(b"0123456789abcdef" * 2), Meta(mode=0o600)))
    assert f"/{path}: {what}" in _problems(tree)


@pytest.mark.parametrize("kind", ["ssh", "rsa", "ec", "encrypted", "pgp", "putty"])
def test_a_private_key_is_found_anywhere(kind: str) -> None:
    content = {
        "rsa": b"-----BEGIN RSA PRIVATE KEY-----\n",
        "ec": b"\n -----BEGIN EC PRIVATE KEY-----\n",
        "encrypted": b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n",
        "pgp": b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n",
        "putty": b"PuTTY-User-Key-File-3: ssh-rsa\n",
        "ssh": b"-----BEGIN OPENSSH PRIVATE KEY-----\n",
    }[kind]
    tree = _root()
    tree.add("usr/share/x", file(Literal(content), Meta(mode=0o644)))
    assert "/usr/share/x: a private key" in _problems(tree)


@pytest.mark.parametrize("kind", ["ssh", "rsa", "ec", "encrypted", "pgp"])
def test_a_private_key_is_found_within_a_file(kind: str) -> None:
    key = b"MIIEowIBAAKCAQEAx4UbaDzY5xjW6hc9jwN0mX33XpTDVW7yVPIvXNRbQnyeZ6zG\n"
    content = {
        "rsa": b"Our key:\n-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: DES-EDE3\n\n"
        + key,
        "ec": b"# EC\n -----BEGIN EC PRIVATE KEY-----\r\n " + key,
        "encrypted": b"a long word before " * 400_000 + b"\n-----BEGIN ENCRYPTED PRIVATE KEY-----\n" + key,
        "pgp": b"Keys.\n-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n" + key,
        "ssh": b"key: |\n    -----BEGIN OPENSSH PRIVATE KEY-----\n    " + key,
    }[kind]
    tree = _root()
    tree.add("usr/share/x", file(Literal(content), Meta(mode=0o644)))
    assert "/usr/share/x: a private key" in _problems(tree)


@pytest.mark.parametrize("form", ["RFC4716", "PKCS8", "PEM"])
@pytest.mark.parametrize("password", ["", "secret words"])
def test_keys_that_ssh_keygen_makes_are_found(tmp_path: Path, form: str, password: str) -> None:
    key = tmp_path / "key"
    output_of("ssh-keygen", "-q", "-t", "ecdsa", "-m", form, "-N", password, "-f", key)
    tree = _root()
    tree.add("srv/key", file(Literal(key.read_bytes()), Meta(mode=0o600)))
    tree.add("srv/key.pub", file(Literal(key.with_suffix(".pub").read_bytes()), Meta(mode=0o600)))
    said = _problems(tree)
    assert "/srv/key: a private key" in said
    assert "key.pub" not in said


@pytest.mark.parametrize(
    ("path", "node"),
    [
        ("etc/x", file(Literal(b"x"), Meta(mode=0o666))),
        ("etc/x", file(Literal(b"x"), Meta(mode=0o1602))),
        ("srv", directory(Meta(mode=0o777))),
        ("tmp", directory(Meta(mode=0o777))),
    ],
)
def test_a_path_that_everybody_may_write_to_is_found(path: str, node: Node) -> None:
    tree = _root()
    tree.add(path, node)
    assert f"/{path}: everybody may write to it (mode {node.meta.mode:04o})" in _problems(tree)


@pytest.mark.parametrize("mode", [0o4755, 0o2755, 0o6755, 0o4000])
def test_a_set_id_program_that_is_not_allowed_is_found(mode: int) -> None:
    tree = _root()
    tree.add("usr/bin/x", file(Literal(b""), Meta(mode=mode)))
    assert set_id_programs(tree) == ["/usr/bin/su", "/usr/bin/x"]
    said = _problems(tree)
    assert f"/usr/bin/x: is set-id (mode {mode:04o})" in said
    assert "/usr/bin/su" not in said


def test_without_a_list_every_set_id_program_is_allowed_and_with_an_empty_one_none() -> None:
    check_hygiene(_root(), None, BUILDER)
    assert "/usr/bin/su: is set-id" in _problems(_root(), [])


@pytest.mark.parametrize("path", ["etc/passwd", "etc/shadow"])
def test_a_user_without_a_password_is_found(path: str) -> None:
    tree = _root()
    tree.add(path, file(Literal(tree.lookup(path).read() + b"guest::0:0:::\n"), Meta(mode=0o644)))
    assert f"/{path}: guest has no password" in _problems(tree)


@pytest.mark.parametrize("size", [0, 1, 4000])
@pytest.mark.parametrize("before", range(-30, 4, 3))
def test_the_path_of_the_builder_is_found_across_a_border_of_chunks(
    tmp_path_factory: pytest.TempPathFactory, before: int, size: int
) -> None:
    path = "/home/builder/checkout" + "/x" * (size // 2)
    data = bytes(CHUNK_BYTES + before) + path.encode() + b"\0"
    stored = tmp_path_factory.getbasetemp() / "content"
    stored.write_bytes(data)
    tree = _root()
    tree.add("usr/lib/x.so", file(Extent(stored, 0, len(data)), Meta(mode=0o644)))
    with pytest.raises(SsiumlError, match="the root may not be released") as caught:
        check_hygiene(tree, None, [path])
    assert f"/usr/lib/x.so: contains '{path}'" in caught.value.message


def test_a_short_path_or_one_that_the_image_has_too_is_not_searched_for() -> None:
    tree = _root()
    tree.add("home/builder/checkout", directory(Meta(mode=0o755)))
    tree.add("etc/x", file(Literal(b"/home/builder/checkout /srv"), Meta(mode=0o644)))
    check_hygiene(tree, None, BUILDER)


def test_the_message_is_cut_after_twenty_problems_and_counts_the_rest() -> None:
    tree = _root()
    for number in range(MOST_SHOWN + 7):
        tree.add(f"tmp/{number:03}", file(Literal(b"x"), Meta(mode=0o600)))
    lines = _problems(tree).splitlines()
    assert len(lines) == MOST_SHOWN + 2
    assert lines[-1].strip() == "and 7 more"


def test_all_kinds_of_problems_are_in_one_message_with_a_hint() -> None:
    tree = _root()
    tree.add("tmp/x", file(Literal(b"x"), Meta(mode=0o4777)))
    with pytest.raises(SsiumlError, match="the root may not be released") as caught:
        check_hygiene(tree, [], BUILDER)
    for words in ("a temporary file", "everybody may write", "is set-id"):
        assert words in caught.value.message
    assert "release.set_id" in str(caught.value.hint)
