"""Configuration: which source counts, what is refused, and what a refusal says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from liftlock.config import Limits
from liftlock.configuring import ConfigurationInvalid, Source, example
from liftlock.http import configuration
from liftlock.http.configuration import DECLARATION, Configuration, configure
from liftlock.http.limits import OFF_AT_ZERO, HttpLimits

KUBERNETES = {
    "LIFTLOCK_SERVICE_HOST": "10.0.0.1",
    "LIFTLOCK_SERVICE_PORT": "5000",
    "LIFTLOCK_SERVICE_PORT_HTTP": "5000",
    "LIFTLOCK_PORT": "tcp://10.0.0.1:5000",
    "LIFTLOCK_PORT_5000_TCP": "tcp://10.0.0.1:5000",
    "LIFTLOCK_PORT_5000_TCP_PROTO": "tcp",
    "LIFTLOCK_PORT_5000_TCP_PORT": "5000",
    "LIFTLOCK_PORT_5000_TCP_ADDR": "10.0.0.1",
    # of a service named liftlock-server
    "LIFTLOCK_SERVER_PORT": "tcp://10.0.0.2:80",
    "LIFTLOCK_SERVER_SERVICE_HOST": "10.0.0.2",
}


def written(folder: Path, text: str) -> Path:
    file = folder / "liftlock.toml"
    file.write_text(text)
    return file


def faults(*, environment=None, file=None, flags=None) -> list[str]:
    with pytest.raises(ConfigurationInvalid) as refused:
        configure(environment or {}, file=file, flags=flags, places=())
    assert str(refused.value) == "\n".join(map(str, refused.value.faults))
    return list(map(str, refused.value.faults))


def origins(configured: Configuration) -> dict[str, tuple[Source, str]]:
    return {
        str(one.key): (one.origin.source, one.origin.name)
        for one in configured.settings
        if one.origin.source is not Source.DEFAULT
    }


def test_without_anything_all_is_as_the_code_has_it():
    configured = configure({}, places=())
    assert (configured.limits, configured.http_limits) == (Limits(), HttpLimits())
    assert (configured.server.host, configured.server.port) == ("127.0.0.1", 5000)
    assert configured.store.root == Path(".liftlock/store")
    assert configured.file is None
    assert origins(configured) == {}


def test_flags_are_stronger_than_the_environment_and_it_is_stronger_than_the_file(tmp_path):
    file = written(
        tmp_path, "[server]\nport = 1\nworkers = 2\nhost = '::'\n[limits]\nhold_ms = 7\n"
    )
    environment = {"LIFTLOCK_SERVER__PORT": "3", "LIFTLOCK_SERVER__WORKERS": "4"}
    configured = configure(environment, file=file, flags={"server.port": ("5", "--port")})
    server = configured.server
    assert (server.port, server.workers, server.host) == (5, 4, "::")
    assert configured.limits == Limits(hold_ms=7)
    assert origins(configured) == {
        "server.port": (Source.FLAG, "--port"),
        "server.workers": (Source.ENVIRONMENT, "LIFTLOCK_SERVER__WORKERS"),
        "server.host": (Source.FILE, str(file)),
        "limits.hold_ms": (Source.FILE, str(file)),
    }


@pytest.mark.parametrize("key", list(DECLARATION), ids=str)
def test_every_key_can_be_set_in_each_way_and_says_what_it_means(tmp_path, key):
    assert key.meaning.endswith("."), "say below the field what it means"
    assert key.expected
    value = key.default or "/x"  # an empty text is the same as none
    file = written(tmp_path, f"[{key.section}]\n{key.name} = {str(value)!r}\n")
    if isinstance(value, int | float):
        file.write_text(f"[{key.section}]\n{key.name} = {value}\n")
    for configured in (
        configure({}, file=file),
        configure({key.variable: str(value)}, places=()),
        configure({}, flags={str(key): (str(value), "--setting")}, places=()),
    ):
        assert set(origins(configured)) == {str(key)}
        found = getattr(getattr(configured, key.section), key.name)
        assert str(found).endswith(str(value))
        assert type(found) is type(key.default) or isinstance(found, Path)


def test_limits_of_zero_switch_off_where_that_is_meant():
    for name in OFF_AT_ZERO:
        configured = configure({f"LIFTLOCK_HTTP_LIMITS__{name.upper()}": "0"}, places=())
        assert getattr(configured.http_limits, name) == 0


def test_an_empty_variable_is_as_none():
    assert origins(configure({"LIFTLOCK_SERVER__PORT": ""}, places=())) == {}


def test_a_file_may_begin_with_a_mark_and_end_its_lines_as_windows_does(tmp_path):
    file = tmp_path / "liftlock.toml"
    file.write_bytes(b"\xef\xbb\xbf[server]\r\nport = 5001\r\n")
    assert configure({}, file=file).server.port == 5001


def test_a_relative_root_begins_at_the_files_folder(tmp_path):
    file = written(tmp_path, "[store]\nroot = 'images'\n")
    assert configure({}, file=file).store.root == tmp_path / "images"
    file.write_text("[store]\nroot = '/srv/images'\n")
    assert configure({}, file=file).store.root == Path("/srv/images")
    environment = {"LIFTLOCK_STORE__ROOT": "images"}
    assert configure(environment, file=file).store.root == Path("images")


class TestWhereTheFileIs:
    def test_the_first_that_is_there_counts_alone(self, tmp_path):
        first, second = tmp_path / "a.toml", tmp_path / "b.toml"
        second.write_text("[server]\nport = 2\nworkers = 2\n")
        assert configure({}, places=(first, second)).file == second
        first.write_text("[server]\nport = 1\n")
        configured = configure({}, places=(first, second))
        assert (configured.file, configured.server.port) == (first, 1)
        assert configured.server.workers == 1

    def test_what_is_named_goes_before_what_is_found(self, tmp_path):
        found, named, flag = (tmp_path / f"{name}.toml" for name in ("found", "named", "flag"))
        for number, file in enumerate((found, named, flag), 1):
            file.write_text(f"[server]\nport = {number}\n")
        environment = {"LIFTLOCK_CONFIG": str(named)}
        assert configure({}, places=(found,)).server.port == 1
        assert configure(environment, places=(found,)).server.port == 2
        assert configure(environment, file=flag, places=(found,)).server.port == 3

    def test_what_is_named_must_be_there(self, tmp_path):
        (said,) = faults(environment={"LIFTLOCK_CONFIG": str(tmp_path / "none.toml")})
        assert said == f"{tmp_path}/none.toml: it cannot be read: No such file or directory"

    def test_a_file_of_another_user_in_the_working_folder_is_refused(self, tmp_path, monkeypatch):
        written(tmp_path, "[server]\nport = 1\n")
        monkeypatch.chdir(tmp_path)
        places = (Path("liftlock.toml"),)
        assert configure({}, places=places).server.port == 1
        owner = Path("liftlock.toml").stat().st_uid
        # Somebody else works there; only root could make a file of somebody else.
        monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
        if owner == 0:
            os.chown("liftlock.toml", 12345, 12345)
        with pytest.raises(ConfigurationInvalid, match=r"not to you.*--config \./liftlock\.toml"):
            configure({}, places=places)
        assert configure({}, file=Path("liftlock.toml"), places=places).server.port == 1

    def test_it_is_looked_for_in_two_places(self):
        assert (
            Path("liftlock.toml"),
            Path("/etc/liftlock/liftlock.toml"),
        ) == configuration.PLACES

    def test_every_blob_may_be_a_file(self, tmp_path):
        file = written(tmp_path, "[limits]\nfile_bytes_min = 0")
        assert configure({}, file=file).limits.file_bytes_min == 0


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("[server]\n\nprot = 1", ":3: [server] has no key `prot`; did you mean `port`?"),
            ("[sever]\nport = 1", ":1: there is no section [sever]; did you mean [server]?"),
            (
                "[server]\nhold_ms = 1",
                ":2: [server] has no key `hold_ms`; did you mean `hold_ms` in",
            ),
            ("port = 1", ":1: `port` stands in no section; did you mean `port` in [server]?"),
            ("server = 1", ":1: `server` is a section: write [server], and its keys below"),
            ("[quux]", ":1: there is no section [quux]; there are store, server, limits"),
            ("[limits]\nquux = 1", ":2: [limits] has no key `quux`; `liftlock config example`"),
            ("[server]\nport = '80'", ":2: `port` must be a whole number from 0 to 65535, and is"),
            ("[server]\nport = 65536", ":2: `port` must be a whole number from 0 to 65535, and is"),
            ("[server]\nport = true", "and is true"),
            ("[server]\nport = 1.5", "and is 1.5"),
            ("[server.host]\nx = 1", "`host` must be a text that is not empty, and is {'x': 1}"),
            ("[store]\nroot = ''", "`root` must be a path, and is ''"),
            ('[store]\nroot = "a\\u0000"', "`root` must be a path"),
            ("[http_limits]\nidle_seconds = 0", "`idle_seconds` must be a number, at least 0.001"),
            ("[http_limits]\nidle_seconds = nan", "`idle_seconds`"),
            ("[http_limits]\nidle_seconds = inf", "`idle_seconds` is at most 2147483647"),
            ("[http_limits]\nbacklog = 99999999999", "`backlog` is at most 2147483647"),
            ("[http_limits]\nbacklog = 0", "`backlog` must be a whole number, at least 1"),
            (
                "[limits]\nfile_bytes_min = 1048577",
                "`file_bytes_min` must be a whole number from 0 to 1048576, and is 1048577",
            ),
            ("[server]\npath_prefix = 'x'", ":2: 'x' is no path prefix"),
            (
                "[limits]\npublish_age_ms_max = 90000000",
                ":2: publish_age_ms_max (90000000) must be",
            ),
            ("[server]\nport = ", ": this is not TOML: "),
            ("[server]\nport = 1\nport = 2", ": this is not TOML: "),
            ("x = " + "[" * 20_000, "nested too deeply"),
            ("x" * (64 * 1024 + 1), "it has more than 65536 bytes"),
            ("[server]\nhost = ''", "`host` must be a text that is not empty, and is ''"),
        ],
    )
    def test_in_a_file(self, tmp_path, text, said):
        file = written(tmp_path, text)
        (fault,) = faults(file=file)
        assert fault.startswith(str(file))
        assert said in fault

    def test_a_syntax_error_has_its_line(self, tmp_path):
        (fault,) = faults(file=written(tmp_path, "[server]\nport = 1\nhost = \n"))
        assert "line 3" in fault

    def test_much_is_told_up_to_a_number(self, tmp_path):
        file = written(tmp_path, "[server]\n" + "".join(f"k{n} = 1\n" for n in range(5000)))
        told = faults(file=file)
        assert len(told) == 101
        assert told[-1] == f"{file}: it has more of that; is it Liftlock's configuration?"

    def test_what_is_no_text(self, tmp_path):
        file = tmp_path / "binary.toml"
        file.write_bytes(b"[server]\nhost = '\xff'\n")
        assert faults(file=file) == [f"{file}:2: this is not UTF-8, which TOML must be"]

    def test_what_is_no_file(self, tmp_path):
        assert faults(file=tmp_path) == [f"{tmp_path}: it cannot be read: Is a directory"]

    @pytest.mark.parametrize(
        ("name", "value", "said"),
        [
            (
                "LIFTLOCK_SERVER__PROT",
                "1",
                "no key has this variable; did you mean LIFTLOCK_SERVER_",
            ),
            (
                "LIFTLOCK_QUX__FOO",
                "1",
                "no key has this variable. `liftlock config example` lists all",
            ),
            (
                "LIFTLOCK_SERVER__PORT",
                "x",
                "`port` must be a whole number from 0 to 65535, and is 'x'",
            ),
            ("LIFTLOCK_SERVER__PORT", "tcp://10.0.0.1:80", "must be a whole number"),
            ("LIFTLOCK_SERVER__PATH_PREFIX", "/v2", "this server's own"),
        ],
    )
    def test_in_the_environment(self, name, value, said):
        (fault,) = faults(environment={name: value})
        assert fault.startswith(f"{name}: ")
        assert said in fault

    @pytest.mark.parametrize(
        ("key", "said"),
        [
            ("server.prot", "[server] has no key `prot`; did you mean `port`?"),
            ("sever.port", "there is no key 'sever.port'; did you mean `server.port`?"),
            ("quux", "there is no key 'quux'; `liftlock config example` lists all"),
        ],
    )
    def test_with_a_flag(self, key, said):
        assert faults(flags={key: ("1", "--setting")}) == [f"--setting: {said}"]

    def test_all_is_told_at_once_also_what_something_stronger_replaces(self, tmp_path):
        file = written(tmp_path, "[server]\nport = 'x'\nprot = 1\n[limits]\nhold_ms = -1\n")
        said = faults(
            file=file,
            environment={"LIFTLOCK_SERVER__PORT": "1", "LIFTLOCK_SERVER__HOTS": "x"},
            flags={"server.path_prefix": ("/v2", "--path-prefix")},
        )
        assert len(said) == 5
        assert {one.split(":")[0] for one in said} == {
            str(file),
            "LIFTLOCK_SERVER__HOTS",
            "--path-prefix",
        }

    def test_limits_that_do_not_go_together_are_refused_and_blamed_on_one(self, tmp_path):
        file = written(tmp_path, "[limits]\norphan_grace_ms = 10\npublish_age_ms_max = 10\n")
        (fault,) = faults(file=file)
        assert "a sweep could remove the file of a blob" in fault
        file.write_text("[limits]\norphan_grace_ms = 90000001\npublish_age_ms_max = 90000000\n")
        assert configure({}, file=file).limits.publish_age_ms_max == 90000000


class TestVariablesNobodyReads:
    def test_what_kubernetes_sets_is_no_fault_and_told_with_its_remedy(self):
        configured = configure(KUBERNETES, places=())
        assert origins(configured) == {}
        assert [stray.variable for stray in configured.strays] == sorted(KUBERNETES)
        for stray in configured.strays:
            assert stray.meant is None
            assert "Kubernetes" in str(stray)
            assert "enableServiceLinks: false" in str(stray)

    @pytest.mark.parametrize(
        ("name", "meant"),
        [
            ("LIFTLOCK_ROOT", "LIFTLOCK_STORE__ROOT"),
            ("LIFTLOCK_PORT", "LIFTLOCK_SERVER__PORT"),
            ("LIFTLOCK_SERVER_PORT", "LIFTLOCK_SERVER__PORT"),
            ("LIFTLOCK_HTTP_LIMITS_IDLE_SECONDS", "LIFTLOCK_HTTP_LIMITS__IDLE_SECONDS"),
            ("LIFTLOCK_CONFG", "LIFTLOCK_CONFIG"),
            ("LIFTLOCK_REQUIRE_CLIENTS", None),
        ],
    )
    def test_what_comes_near_one_of_ours_is_told_with_it(self, name, meant):
        (stray,) = configure({name: "80", "PATH": "/bin"}, places=()).strays
        assert (stray.variable, stray.meant) == (name, meant)


class TestTheExample:
    def test_it_says_all_and_changes_nothing(self, tmp_path):
        text = example(DECLARATION)
        assert origins(configure({}, file=written(tmp_path, text))) == {}
        for key in DECLARATION:
            assert f"\n#{key.name} = " in text

    def test_uncommented_it_is_the_defaults(self, tmp_path):
        lines = example(DECLARATION).splitlines()
        bare = [line[1:] if line[:1] == "#" and line[1:2] != " " else line for line in lines]
        configured = configure({}, file=written(tmp_path, "\n".join(bare)))
        assert len(origins(configured)) == len(list(DECLARATION))
        assert (configured.limits, configured.http_limits) == (Limits(), HttpLimits())

    def test_the_document_shows_it(self):
        document = Path(__file__).parents[2] / "docs" / "configuration.md"
        shown = f"```toml\n{example(DECLARATION)}```\n"
        assert shown in document.read_text(), (
            "docs/configuration.md has not what config example says"
        )
