"""Collect real manifests: drive real clients against a scratch registry and keep what they wrote.

Every manifest in the corpus was written by the client it is filed under and read back from the
registry byte for byte. This script only decides what the clients are given: which files, how many
layers, which format and which annotations. Nothing is learned or compared here.

The split is fixed before anything is built. Whole clients (`HELD_OUT_CLIENTS`) and whole image
families (`Family.held_out`) go to `held-out/`; every layer holds a note of its client and family,
so that no blob, and therefore no digest, is shared between the two sides.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import dataclasses
import functools
import hashlib
import io
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
HELD_OUT_CLIENTS = frozenset({"containerd", "charliecloud", "dxf"})

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"

PLATFORMS = ("linux/amd64", "linux/arm64", "linux/s390x", "linux/ppc64le", "linux/386")


@dataclasses.dataclass(frozen=True)
class Family:
    """A line of images that one team might publish: alike inside, unlike each other."""

    name: str
    layers: tuple[int, int]
    versions: int
    held_out: bool = False
    annotated: bool = False
    platforms: int = 1


FAMILIES = (
    Family("base", (1, 1), 3),
    Family("frontend", (2, 3), 4),
    Family("service", (4, 7), 8),
    Family("jvm", (8, 12), 4),
    Family("research", (14, 20), 3),
    Family("catalog", (3, 6), 6, annotated=True),
    Family("agent", (2, 4), 3, platforms=4),
    Family("gateway", (1, 4), 4, held_out=True),
    Family("database", (5, 12), 4, held_out=True),
    Family("desktop", (13, 20), 2, held_out=True),
    Family("vendor", (3, 8), 4, held_out=True, annotated=True),
    Family("fleet", (2, 5), 2, held_out=True, platforms=5),
)

# The words of the two sides are kept apart, so that a held-out annotation is not one that the
# dictionary knows by heart.
WORDS = {
    False: ("billing", "search", "ledger", "mail", "profile", "invoice", "metrics", "catalog"),
    True: ("turbine", "harbour", "orchard", "lantern", "quarry", "meadow", "falcon", "glacier"),
}


@dataclasses.dataclass(frozen=True)
class Image:
    """One image that a client is asked for, as a function of its names alone."""

    client: str
    family: Family
    version: int
    platform: str = PLATFORMS[0]

    @property
    def repository(self) -> str:
        """Name the repository the image goes to."""
        return f"{self.family.name}/{self.client}"

    @property
    def tag(self) -> str:
        """Name the version and, for the children of an index, the platform."""
        return f"{self.version}-{self.platform.rpartition('/')[2]}"

    @property
    def rng(self) -> random.Random:
        """Begin the random choices of this image anew, the same in each run."""
        return random.Random(f"{self.client} {self.family.name} {self.version} {self.platform}")

    @property
    def layer_names(self) -> list[str]:
        """Name the layers; versions of a family share their lower half, as built images do."""
        count = self.rng.randint(*self.family.layers)
        own = f"{self.version}-{self.platform}"
        return [f"{'base' if place < count // 2 else own}-{place}" for place in range(count)]

    @property
    def annotations(self) -> dict[str, str]:
        """Choose what an annotated image says about itself, in the words of its side."""
        rng, words = self.rng, WORDS[self.family.held_out]
        title, team = rng.choice(words), rng.choice(words)
        if self.family.held_out:
            chosen = {
                "org.opencontainers.image.revision": rng.randbytes(20).hex(),
                "org.opencontainers.image.title": f"{title} {team}",
                "org.opencontainers.image.url": f"https://{team}.example.net/{title}",
                "net.example.build/pipeline": f"{rng.randrange(10**6)}",
                "net.example.build/approved-by": rng.choice(words),
            }
        else:
            chosen = {
                "org.opencontainers.image.created": f"2026-{rng.randint(1, 12):02}-17T08:12:55Z",
                "org.opencontainers.image.authors": f"{team}@example.com",
                "org.opencontainers.image.source": f"https://example.com/{team}/{title}",
                "org.opencontainers.image.revision": rng.randbytes(20).hex(),
                "org.opencontainers.image.version": f"{rng.randrange(9)}.{rng.randrange(30)}.0",
                "org.opencontainers.image.licenses": rng.choice(("Apache-2.0", "MIT")),
                "org.opencontainers.image.description": f"The {title} of team {team}",
                "com.example.team": team,
            }
        return dict(rng.sample(sorted(chosen.items()), rng.randint(2, len(chosen))))


@dataclasses.dataclass(frozen=True)
class Pushed:
    """What a client says it has pushed, to be read back."""

    client: str
    family: str
    held_out: bool
    repository: str
    reference: str


@dataclasses.dataclass
class Lab:
    """A scratch registry, a scratch folder, and the way to run a client in it."""

    work: Path
    port: int
    helm: str
    ch_image: list[str]
    env: dict[str, str]

    @property
    def registry(self) -> str:
        """Give the address over plain HTTP."""
        return f"127.0.0.1:{self.port}"

    @property
    def registry_tls(self) -> str:
        """Give the address over TLS."""
        return f"127.0.0.1:{self.port + 1}"

    def folder(self, name: str) -> Path:
        """Make a scratch folder."""
        path = self.work / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def run(self, *command: str, cwd: Path | None = None) -> str:
        """Run `command` to its end and return what it printed; raise with its words if it fails."""
        done = subprocess.run(
            command, cwd=cwd, env=self.env, capture_output=True, text=True, timeout=120, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()[-600:]}")
        return done.stdout.strip()

    def target(self, image: Image) -> str:
        """Name where `image` is pushed to."""
        return f"{self.registry}/{image.repository}:{image.tag}"


# --- What goes into the images -------------------------------------------------------------------


@functools.cache
def machine_files() -> list[Path]:
    """List the files that layers are filled with: this machine's own Python library."""
    return sorted(Path(sysconfig.get_paths()["stdlib"]).glob("[a-z]*.py"))


def layer(lab: Lab, image: Image, name: str) -> Path:
    """Fill a folder with what one layer holds; the same names give the same bytes."""
    path = lab.work / "layers" / image.client / image.family.name / name.replace("/", "-")
    if path.exists():
        return path
    path.mkdir(parents=True)
    rng = random.Random(str(path.relative_to(lab.work)))
    # The note keeps every client's and family's digests apart, whatever else the layers share.
    (path / "note").write_text(f"{image.client} {image.family.name} {name}\n")
    for source in rng.sample(machine_files(), rng.choice((0, 1, 1, 2, 3, 5, 8))):
        shutil.copyfile(source, path / source.name)
    if rng.random() < 0.12:
        (path / "data.bin").write_bytes(rng.randbytes(rng.randrange(1 << 14, 3 << 20)))
    return path


def layers(lab: Lab, image: Image) -> list[Path]:
    return [layer(lab, image, name) for name in image.layer_names]


def build_context(lab: Lab, image: Image) -> Path:
    """Lay out a build from scratch: one COPY, and so one layer, for each folder."""
    context = lab.work / "context" / image.client / image.family.name / image.tag
    shutil.rmtree(context, ignore_errors=True)
    context.mkdir(parents=True)
    lines = ["FROM scratch"]
    for place, source in enumerate(layers(lab, image)):
        shutil.copytree(source, context / f"l{place}")
        lines.append(f"COPY l{place} /opt/l{place}/")
    lines += [f'LABEL version="{image.version}" family="{image.family.name}"', 'CMD ["/opt/run"]']
    (context / "Dockerfile").write_text("\n".join(lines) + "\n")
    return context


def docker_archive(lab: Lab, image: Image) -> Path:
    """Write the image as `docker save` does: files that hold no registry manifest at all."""
    archive = lab.folder("archives") / f"{image.client}-{image.family.name}-{image.tag}.tar"
    tars = [layer_tar(source) for source in layers(lab, image)]
    config = {
        "architecture": image.platform.rpartition("/")[2],
        "os": "linux",
        "config": {"Cmd": ["/opt/run"], "Labels": {"family": image.family.name}},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha256(tar)}" for tar in tars]},
        "history": [{"created_by": f"COPY l{place}"} for place in range(len(tars))],
    }
    files = {f"{place}/layer.tar": tar for place, tar in enumerate(tars)}
    names = list(files)
    files["config.json"] = json.dumps(config).encode()
    manifest = {"Config": "config.json", "RepoTags": [f"{image.repository}:{image.tag}"]}
    files["manifest.json"] = json.dumps([manifest | {"Layers": names}]).encode()
    with tarfile.open(archive, "w") as tar:
        for name, content in files.items():
            add_bytes(tar, name, content)
    return archive


def layer_tar(folder: Path) -> bytes:
    """Pack one layer with nothing in it that depends on when it was made."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for file in sorted(folder.iterdir()):
            add_bytes(tar, f"opt/{file.name}", file.read_bytes())
    return buffer.getvalue()


def add_bytes(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def annotation_flags(image: Image) -> list[str]:
    if not image.family.annotated:
        return []
    pairs = image.annotations.items()
    return list(itertools.chain.from_iterable(("--annotation", f"{k}={v}") for k, v in pairs))


# --- The clients ---------------------------------------------------------------------------------
# Each function makes one image, pushes it by the client's own means, and says where it is.


def containers_storage(lab: Lab) -> list[str]:
    root, run = lab.folder("storage"), lab.folder("storage-run")
    return ["--root", f"{root}", "--runroot", f"{run}", "--storage-driver", "overlay"]


def build_with_buildah(lab: Lab, image: Image, shape: str) -> str:
    name = f"localhost/{image.repository}:{image.tag}"
    command = ["buildah", *containers_storage(lab), "bud", "-q", "--layers", "--isolation=chroot"]
    command += ["--format", shape, "--platform", image.platform, *annotation_flags(image)]
    lab.run(*command, "-t", name, f"{build_context(lab, image)}")
    return name


def buildah(lab: Lab, image: Image) -> str:
    shape, push = (
        ("oci", []),
        ("docker", []),
        ("oci", ["--compression-format", "zstd"]),
        ("oci", ["-D"]),
    )[image.version % (3 if image.family.annotated else 4)]
    if image.family.annotated:
        shape = "oci"
    name = build_with_buildah(lab, image, shape)
    command = ["buildah", *containers_storage(lab), "push", "-q", "--tls-verify=false", *push]
    lab.run(*command, name, f"docker://{lab.target(image)}")
    return image.tag


def buildah_index(lab: Lab, images: Sequence[Image], shape: str, target: str) -> None:
    """Join `images` to one index or manifest list and push it, children and all."""
    command = ["buildah", *containers_storage(lab), "manifest"]
    name = f"localhost/index/{images[0].repository}:{images[0].version}"
    lab.run(*command, "create", name)
    for image in images:
        lab.run(*command, "add", name, build_with_buildah(lab, image, shape))
    kind = {"oci": "oci", "docker": "v2s2"}[shape]
    lab.run(*command, "push", "-q", "--all", "--tls-verify=false", "-f", kind, name, target)


def buildah_multi(lab: Lab, images: Sequence[Image]) -> str:
    tag = f"{images[0].version}"
    shape = ("oci", "docker")[images[0].version % 2]
    target = f"docker://{lab.registry}/{images[0].repository}:{tag}"
    buildah_index(lab, images, shape, target)
    return tag


def podman_command(lab: Lab) -> list[str]:
    quiet = ["--events-backend=file", "--cgroup-manager=cgroupfs", "--log-level=error"]
    return ["podman", *containers_storage(lab), *quiet]


def build_with_podman(lab: Lab, image: Image, shape: str) -> str:
    name = f"localhost/{image.repository}:{image.tag}"
    command = [*podman_command(lab), "build", "-q", "--isolation=chroot", "--format", shape]
    command += ["--platform", image.platform, *annotation_flags(image)]
    lab.run(*command, "-t", name, f"{build_context(lab, image)}")
    return name


def podman(lab: Lab, image: Image) -> str:
    shape = "docker" if image.version % 3 == 1 and not image.family.annotated else "oci"
    push = ["--compression-format", "zstd"] if image.version % 4 == 2 and shape == "oci" else []
    name = build_with_podman(lab, image, shape)
    command = [*podman_command(lab), "push", "-q", "--tls-verify=false", *push]
    lab.run(*command, name, f"docker://{lab.target(image)}")
    return image.tag


def podman_multi(lab: Lab, images: Sequence[Image]) -> str:
    tag, shape = f"{images[0].version}", ("docker", "oci")[images[0].version % 2]
    name = f"localhost/index/{images[0].repository}:{tag}"
    command = [*podman_command(lab), "manifest"]
    lab.run(*command, "create", name)
    for image in images:
        built = build_with_podman(lab, image, shape)
        lab.run(*command, "add", name, f"containers-storage:{built}")
    target = f"docker://{lab.registry}/{images[0].repository}:{tag}"
    kind = {"oci": "oci", "docker": "v2s2"}[shape]
    lab.run(*command, "push", "-q", "--all", "--tls-verify=false", "-f", kind, name, target)
    return tag


def skopeo(lab: Lab, image: Image) -> str:
    """Let skopeo write the manifest of an image that has none: it is copied from an archive."""
    options = (
        ["-f", "v2s2"],
        ["-f", "oci"],
        ["-f", "oci", "--dest-compress-format", "zstd"],
    )[image.version % 3]
    source = f"docker-archive:{docker_archive(lab, image)}"
    target = f"docker://{lab.target(image)}"
    lab.run("skopeo", "copy", "-q", "--dest-tls-verify=false", *options, source, target)
    return image.tag


def skopeo_multi(lab: Lab, images: Sequence[Image]) -> str:
    """Let skopeo rewrite an index and its children by converting them to the other format."""
    tag, repository = f"{images[0].version}", images[0].repository
    shape, convert = (("oci", "v2s2"), ("docker", "oci"))[images[0].version % 2]
    source = f"docker://{lab.registry}/source/{repository}:{tag}"
    buildah_index(lab, images, shape, source)
    command = ["skopeo", "copy", "-q", "--all", "--src-tls-verify=false"]
    command += ["--dest-tls-verify=false", "-f", convert]
    lab.run(*command, source, f"docker://{lab.registry}/{repository}:{tag}")
    return tag


def umoci(lab: Lab, image: Image) -> str:
    """Let umoci write the manifest in a layout; skopeo carries it over without changing a byte."""
    layout = lab.folder("layouts") / f"{image.family.name}-{image.tag}"
    name = f"{layout}:{image.tag}"
    lab.run("umoci", "init", "--layout", f"{layout}")
    lab.run("umoci", "new", "--image", name)
    for place, source in enumerate(layers(lab, image)):
        lab.run("umoci", "insert", "--image", name, f"{source}", f"/opt/l{place}")
    settings = ["--config.cmd", "/opt/run", "--architecture", image.platform.rpartition("/")[2]]
    if image.family.annotated:
        pairs = image.annotations.items()
        settings += [f"--manifest.annotation={key}={value}" for key, value in pairs]
    lab.run("umoci", "config", "--image", name, *settings)
    carry = ["skopeo", "copy", "-q", "--preserve-digests", "--dest-tls-verify=false"]
    lab.run(*carry, f"oci:{name}", f"docker://{lab.target(image)}")
    return image.tag


def docker_command(lab: Lab) -> list[str]:
    return ["docker", "-H", f"unix://{lab.work}/docker.sock"]


def docker(lab: Lab, image: Image) -> str:
    command, target = docker_command(lab), lab.target(image)
    context = build_context(lab, image)
    # This builder takes a cached layer of another platform for its own, and then refuses it.
    cache = ["--no-cache"] if image.family.platforms > 1 else []
    lab.run(
        *command, "build", "-q", *cache, "--platform", image.platform, "-t", target, f"{context}"
    )
    lab.run(*command, "push", "-q", target)
    return image.tag


def docker_multi(lab: Lab, images: Sequence[Image]) -> str:
    tag = f"{images[0].version}"
    name = f"{lab.registry}/{images[0].repository}:{tag}"
    for image in images:
        docker(lab, image)
    members = [lab.target(image) for image in images]
    command = [*docker_command(lab), "manifest"]
    lab.run(*command, "create", "--insecure", name, *members)
    for image, member in zip(images, members, strict=True):
        system, machine = image.platform.split("/")
        lab.run(*command, "annotate", "--os", system, "--arch", machine, name, member)
    lab.run(*command, "push", "--insecure", name)
    return tag


def ctr_command(lab: Lab) -> list[str]:
    return ["ctr", "-a", f"{lab.work}/containerd.sock", "images"]


def containerd(lab: Lab, image: Image) -> str:
    """Let containerd write the manifest on import, or write a new one by converting it."""
    command, target = ctr_command(lab), lab.target(image)
    kind = image.version % 3
    squeeze = ["--compress-blobs"] if kind else []
    archive = docker_archive(lab, image)
    lab.run(*command, "import", "--no-unpack", "--all-platforms", *squeeze, f"{archive}")
    name = f"docker.io/{image.repository}:{image.tag}"
    if kind == 2:
        lab.run(*command, "convert", "--oci", "--all-platforms", name, f"{name}-oci")
        name += "-oci"
    lab.run(*command, "push", "--plain-http", target, name)
    return image.tag


def containerd_multi(lab: Lab, images: Sequence[Image]) -> str:
    """Let containerd rewrite an index by converting its children."""
    tag, repository = f"{images[0].version}", images[0].repository
    source = f"{lab.registry}/source/{repository}:{tag}"
    buildah_index(lab, images, "docker", f"docker://{source}")
    content = ["ctr", "-a", f"{lab.work}/containerd.sock", "content", "fetch"]
    lab.run(*content, "--plain-http", "--all-platforms", source)
    change = ("--oci", "--uncompress")[images[0].version % 2]
    target = f"{lab.registry}/{repository}:{tag}"
    lab.run(*ctr_command(lab), "convert", change, "--all-platforms", source, target)
    lab.run(*ctr_command(lab), "push", "--plain-http", target)
    return tag


def charliecloud(lab: Lab, image: Image) -> str:
    """Push with Charliecloud, which writes one layer whatever it is given, and only over TLS."""
    tree = lab.folder(f"trees/{image.family.name}-{image.tag}")
    for needed in ("bin", "dev", "etc", "opt", "usr"):
        (tree / needed).mkdir()
    command = [*lab.ch_image, "--no-cache"]
    lab.run(*command, "import", f"{tree}", "empty")
    context = build_context(lab, image)
    # An image that was only imported has no history, and Charliecloud will not push such a one.
    file, name = context / "Dockerfile", f"{image.repository}:{image.tag}"
    copies = [line for line in file.read_text().splitlines() if line.startswith("COPY")]
    file.write_text("\n".join(["FROM empty", *copies]) + "\n")
    lab.run(*command, "build", "-t", name, "-f", f"{file}", f"{context}")
    lab.run(*command, "--tls-no-verify", "push", name, f"{lab.registry_tls}/{name}")
    return image.tag


def dxf(lab: Lab, image: Image) -> str:
    from dxf import DXF  # noqa: PLC0415 - nothing else here needs this client

    client = DXF(lab.registry, image.repository, insecure=True, timeout=60)
    blobs = []
    for place, source in enumerate(layers(lab, image)):
        file = lab.folder("dxf") / f"{image.family.name}-{image.tag}-{place}.tar"
        file.write_bytes(layer_tar(source))
        blobs.append(client.push_blob(f"{file}"))
    client.set_alias(image.tag, *blobs)
    return image.tag


Single = Callable[[Lab, Image], str]
Multi = Callable[[Lab, Sequence[Image]], str]
BUILDERS: Mapping[str, tuple[Single, Multi | None]] = {
    "buildah": (buildah, buildah_multi),
    "podman": (podman, podman_multi),
    "skopeo": (skopeo, skopeo_multi),
    "umoci": (umoci, None),
    "docker": (docker, docker_multi),
    "containerd": (containerd, containerd_multi),
    "charliecloud": (charliecloud, None),
    "dxf": (dxf, None),
}


def images(lab: Lab, client: str) -> Iterator[Pushed]:
    """Make `client` build and push every family."""
    single, multi = BUILDERS[client]
    for family in FAMILIES:
        held_out = family.held_out or client in HELD_OUT_CLIENTS
        for version in range(family.versions):
            image = Image(client, family, version)
            if family.platforms == 1:
                tag = single(lab, image)
            elif multi is not None:
                chosen = PLATFORMS[: family.platforms - version % 2]
                members = [dataclasses.replace(image, platform=name) for name in chosen]
                tag = multi(lab, members)
            else:
                continue
            yield Pushed(client, family.name, held_out, image.repository, tag)


# --- Charts and artifacts ------------------------------------------------------------------------

CHARTS = {False: ("ledger", "mailer", "profile", "search"), True: ("turbine", "orchard")}


def helm(lab: Lab) -> Iterator[Pushed]:
    """Make helm package and push charts, some of them signed."""
    key = signing_key(lab)
    for held_out, names in CHARTS.items():
        for name, version in itertools.product(names, range(10)):
            rng = random.Random(f"{name} {version}")
            folder = lab.folder(f"charts/{name}-{version}")
            lab.run(lab.helm, "create", name, cwd=folder)
            (folder / name / "Chart.yaml").write_text(chart_yaml(name, version, rng))
            (folder / name / "note.txt").write_text(rng.randbytes(64).hex())
            sign = ["--sign", "--key", "chart", "--keyring", key] if version % 3 == 2 else []
            lab.run(lab.helm, "package", *sign, name, cwd=folder)
            package = f"{name}-{version}.{version % 4}.0.tgz"
            url = f"oci://{lab.registry}/charts"
            lab.run(lab.helm, "push", "--plain-http", package, url, cwd=folder)
            tag = package.removeprefix(f"{name}-").removesuffix(".tgz")
            yield Pushed("helm", f"chart {name}", held_out, f"charts/{name}", tag)


def chart_yaml(name: str, version: int, rng: random.Random) -> str:
    lines = ["apiVersion: v2", f"name: {name}", "type: application"]
    lines += [f"version: {version}.{version % 4}.0", f'appVersion: "1.{rng.randrange(40)}"']
    if rng.random() < 0.7:
        lines.append(f"description: A chart that deploys {name}, release {version}")
    if rng.random() < 0.4:
        lines += [f"home: https://{name}.example.org", "sources:", f"- https://{name}.example.org"]
    if rng.random() < 0.3:
        lines += ["maintainers:", f"- name: {name} people", f"  email: {name}@example.org"]
    return "\n".join(lines) + "\n"


def signing_key(lab: Lab) -> str:
    """Make a throw-away key in the old form that helm reads."""
    command = ["gpg", "--batch", "--pinentry-mode", "loopback", "--passphrase", ""]
    user = "chart <chart@example.org>"
    lab.run(*command, "--quick-generate-key", user, "rsa2048", "sign", "never")
    keyring = lab.work / "secring.gpg"
    lab.run(*command, "--output", f"{keyring}", "--export-secret-keys", "chart")
    return f"{keyring}"


@dataclasses.dataclass(frozen=True)
class Artifact:
    """A kind of artifact: its media types, how many files, and what is annotated on them."""

    name: str
    config: str
    content: str
    files: tuple[int, int]
    versions: int
    held_out: bool = False
    with_subject: bool = False
    on_layer: tuple[str, ...] = ()
    on_manifest: tuple[str, ...] = ()


OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
ARTIFACTS = (
    Artifact("files", "application/vnd.unknown.config.v1+json", "text/plain", (1, 5), 10),
    Artifact(
        "spdx", "application/spdx+json", "application/spdx+json", (1, 1), 10, with_subject=True
    ),
    Artifact(
        "cosign",
        OCI_CONFIG,
        "application/vnd.dev.cosign.simplesigning.v1+json",
        (1, 3),
        12,
        on_layer=("dev.cosignproject.cosign/signature",),
    ),
    Artifact(
        "provenance",
        OCI_EMPTY,
        "application/vnd.in-toto+json",
        (1, 2),
        8,
        with_subject=True,
        on_layer=("in-toto.io/predicate-type",),
        on_manifest=("org.opencontainers.image.created",),
    ),
    Artifact(
        "wasm",
        "application/vnd.wasm.config.v1+json",
        "application/vnd.wasm.content.layer.v1+wasm",
        (1, 1),
        6,
    ),
    Artifact(
        "cyclonedx",
        OCI_EMPTY,
        "application/vnd.cyclonedx+json",
        (1, 1),
        6,
        held_out=True,
        with_subject=True,
        on_manifest=("org.opencontainers.image.created",),
    ),
    Artifact(
        "notation",
        "application/vnd.cncf.notary.signature",
        "application/jose+json",
        (1, 1),
        6,
        held_out=True,
        with_subject=True,
        on_manifest=("io.cncf.notary.x509chain.thumbprint#S256",),
    ),
    Artifact(
        "model",
        "application/vnd.kitops.modelkit.config.v1+json",
        "application/vnd.kitops.modelkit.model.v1.tar",
        (2, 9),
        8,
        held_out=True,
        on_manifest=("org.cnai.model.name", "org.opencontainers.image.version"),
    ),
)


def annotation_value(key: str, rng: random.Random) -> str:
    """Make up a value of the right shape for `key`."""
    if key.endswith("/signature"):
        return base64.b64encode(rng.randbytes(70)).decode()
    if "thumbprint" in key:
        return json.dumps([rng.randbytes(32).hex()])
    if key.endswith("predicate-type"):
        return rng.choice(("https://slsa.dev/provenance/v1", "https://slsa.dev/provenance/v0.2"))
    if key.endswith("created"):
        return f"2026-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}T10:{rng.randint(10, 59)}:07Z"
    return f"{rng.choice(WORDS[True])}-{rng.randrange(100)}"


def oras(lab: Lab) -> Iterator[Pushed]:
    """Make the ORAS library push artifacts, some of them about an artifact pushed before."""
    # Nothing else here needs this client, which has no types.
    from oras.client import OrasClient  # type: ignore[import-untyped]  # noqa: PLC0415
    from oras.oci import Subject  # type: ignore[import-untyped]  # noqa: PLC0415

    client = OrasClient(hostname=lab.registry, insecure=True)
    for kind in ARTIFACTS:
        repository = f"artifacts/{kind.name}"
        subject = Subject(OCI_MANIFEST, "", 0)
        for version in range(kind.versions):
            rng = random.Random(f"{kind.name} {version}")
            folder = lab.folder(f"artifacts/{kind.name}-{version}")
            config = folder / "config.json"
            config.write_text(
                "{}" if kind.config == OCI_EMPTY else json.dumps({"id": rng.random()})
            )
            notes: dict[str, dict[str, str]] = {}
            files = []
            for place in range(rng.randint(*kind.files)):
                file = folder / f"{rng.choice(WORDS[kind.held_out])}-{place}.json"
                file.write_text(rng.randbytes(rng.randrange(20, 40_000)).hex())
                files.append(f"{file}:{kind.content}")
                notes[f"{file}"] = {key: annotation_value(key, rng) for key in kind.on_layer}
            described = folder / "annotations.json"
            described.write_text(json.dumps(notes))
            about = kind.with_subject and version > 0
            tag = f"{version}"
            if kind.name == "cosign":
                tag = f"sha256-{rng.randbytes(32).hex()}.sig"
            client.push(
                target=f"{lab.registry}/{repository}:{tag}",
                files=files,
                manifest_config=f"{config}:{kind.config}",
                annotation_file=f"{described}",
                manifest_annotations={key: annotation_value(key, rng) for key in kind.on_manifest},
                subject=subject if about else None,
                disable_path_validation=True,
                quiet=True,
            )
            body = read_manifest(lab, repository, tag)
            subject = Subject(OCI_MANIFEST, f"sha256:{sha256(body)}", len(body))
            yield Pushed("oras", f"artifact {kind.name}", kind.held_out, repository, tag)


# --- Reading back and filing ---------------------------------------------------------------------


def read_manifest(lab: Lab, repository: str, reference: str) -> bytes:
    """Fetch a manifest and check that it is, byte for byte, what its digest says."""
    request = urllib.request.Request(
        f"http://{lab.registry}/v2/{repository}/manifests/{reference}",
        headers={"Accept": f"{OCI_INDEX}, {OCI_MANIFEST}, {DOCKER_LIST}, {DOCKER_MANIFEST}"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        body: bytes = answer.read()
        if answer.headers["Docker-Content-Digest"] != f"sha256:{sha256(body)}":
            raise RuntimeError(f"{repository}:{reference} came back changed")
    return body


def closure(lab: Lab, pushed: Pushed) -> Iterator[bytes]:
    """Read back what was pushed and, if it is an index, its children."""
    body = read_manifest(lab, pushed.repository, pushed.reference)
    yield body
    for child in json.loads(body).get("manifests", ()):
        yield read_manifest(lab, pushed.repository, child["digest"])


def file_away(lab: Lab, everything: Sequence[Pushed], corpus: Path) -> None:
    """Replace the corpus by what was pushed, each content once, and say what lies where."""
    seen: set[str] = set()
    numbers: Counter[tuple[str, str]] = Counter()
    where: defaultdict[tuple[str, str, str], list[int]] = defaultdict(list)
    shutil.rmtree(corpus, ignore_errors=True)
    for pushed in everything:
        side = "held-out" if pushed.held_out else "train"
        for body in closure(lab, pushed):
            if sha256(body) in seen:
                continue
            seen.add(sha256(body))
            numbers[side, pushed.client] += 1
            number = numbers[side, pushed.client]
            path = corpus / side / f"{pushed.client}-{number:03}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
            where[side, pushed.client, pushed.family].append(number)
    for (side, client, family), found in where.items():
        print(f"| {side} | {client} | {family} | {found[0]:03}-{found[-1]:03} |")
    print(f"{len(seen)} manifests: {dict(numbers)}")


# --- The daemons ---------------------------------------------------------------------------------


@contextlib.contextmanager
def daemon(lab: Lab, name: str, *command: str) -> Iterator[None]:
    """Run a daemon for as long as the block lasts."""
    with (lab.work / f"{name}.log").open("w") as log:
        process = subprocess.Popen(command, env=lab.env, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)


def wait_for(ready: Callable[[], object], what: str) -> None:
    for _ in range(150):
        with contextlib.suppress(OSError, RuntimeError):
            ready()
            return
        time.sleep(0.2)
    raise RuntimeError(f"{what} did not start")


@contextlib.contextmanager
def registries(lab: Lab) -> Iterator[None]:
    """Serve one store twice: over plain HTTP, and over TLS for the client that insists on it."""
    key, certificate = f"{lab.work}/key.pem", f"{lab.work}/certificate.pem"
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    lab.run(*request, "-subj", "/CN=127.0.0.1", "-keyout", key, "-out", certificate)
    config = {
        "version": 0.1,
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": f"{lab.folder('registry')}"}},
    }
    plain = config | {"http": {"addr": lab.registry}}
    tls = {"addr": lab.registry_tls, "tls": {"certificate": certificate, "key": key}}
    # JSON is YAML, so the configuration needs no YAML library.
    (lab.work / "plain.yml").write_text(json.dumps(plain))
    (lab.work / "tls.yml").write_text(json.dumps(config | {"http": tls}))
    serve = ["docker-registry", "serve"]
    with (
        daemon(lab, "registry", *serve, f"{lab.work}/plain.yml"),
        daemon(lab, "registry-tls", *serve, f"{lab.work}/tls.yml"),
    ):
        wait_for(lambda: urllib.request.urlopen(f"http://{lab.registry}/v2/"), "the registry")
        yield


@contextlib.contextmanager
def dockerd(lab: Lab) -> Iterator[None]:
    options = ["--iptables=false", "--ip6tables=false", "--bridge=none"]
    options += ["--storage-driver=overlay2", "--data-root", f"{lab.folder('docker')}"]
    options += ["--exec-root", f"{lab.folder('docker-exec')}"]
    options += ["--pidfile", f"{lab.work}/docker.pid", "-H", f"unix://{lab.work}/docker.sock"]
    with daemon(lab, "dockerd", "dockerd", *options):
        wait_for(lambda: lab.run(*docker_command(lab), "version"), "dockerd")
        yield


@contextlib.contextmanager
def containerd_daemon(lab: Lab) -> Iterator[None]:
    paths = {"root": lab.folder("containerd"), "state": lab.folder("containerd-state")}
    lines = ["version = 2", *(f'{name} = "{path}"' for name, path in paths.items())]
    lines += ["[grpc]", f'address = "{lab.work}/containerd.sock"']
    (lab.work / "containerd.toml").write_text("\n".join(lines) + "\n")
    with daemon(lab, "containerd", "containerd", "--config", f"{lab.work}/containerd.toml"):
        wait_for(lambda: lab.run(*ctr_command(lab), "ls"), "containerd")
        yield


def collect(lab: Lab, clients: Sequence[str]) -> list[Pushed]:
    """Let each client push its share, one after the other."""
    sources: dict[str, Callable[[], Iterator[Pushed]]] = {
        name: functools.partial(images, lab, name) for name in BUILDERS
    }
    sources |= {"helm": functools.partial(helm, lab), "oras": functools.partial(oras, lab)}
    daemons = {"docker": dockerd, "containerd": containerd_daemon}
    everything: list[Pushed] = []
    for client in clients or list(sources):
        started = time.monotonic()
        with daemons[client](lab) if client in daemons else contextlib.nullcontext():
            pushed = list(sources[client]())
        everything += pushed
        seconds = time.monotonic() - started
        print(f"{client}: {len(pushed)} pushes in {seconds:.0f} s", file=sys.stderr, flush=True)
    return everything


def main() -> None:
    """Collect the corpus anew; everything but the corpus is made in a folder that is removed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("clients", nargs="*", help="only these clients (for trying; default: all)")
    parser.add_argument("--port", type=int, default=5955, help="this and the next are used")
    parser.add_argument("--helm", default="helm", help="the helm program")
    parser.add_argument("--ch-image", default="ch-image", help="the ch-image program, with words")
    parser.add_argument("--corpus", type=Path, default=CORPUS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        work = Path(folder)
        for name in ("home", "gnupg"):
            (work / name).mkdir(mode=0o700)
        # A bundle named by the environment would overrule a client told to verify nothing.
        bundles = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
        env = {name: value for name, value in os.environ.items() if name not in bundles}
        env |= {"HOME": f"{work}/home", "GNUPGHOME": f"{work}/gnupg"}
        env |= {"USER": "root", "DOCKER_BUILDKIT": "0", "CH_IMAGE_STORAGE": f"{work}/charliecloud"}
        lab = Lab(work, options.port, options.helm, options.ch_image.split(), env)
        with registries(lab):
            file_away(lab, collect(lab, options.clients), options.corpus)


if __name__ == "__main__":
    main()
