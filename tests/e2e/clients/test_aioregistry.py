"""The package aioregistry: blobs and manifests, and copies that mount."""

from __future__ import annotations

import asyncio
import json
import os

import pytest
from layouts import OCI_MANIFEST, digest_of
from programs import require_package

pytestmark = [
    pytest.mark.clients,
    # It calls pydantic by old names.
    pytest.mark.filterwarnings("ignore::DeprecationWarning:aioregistry.client"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:aioregistry.models"),
]


@pytest.fixture
def aioregistry():
    return require_package("aioregistry")


async def several(*pieces):
    for piece in pieces:
        yield piece


async def whole(client, reference):
    _, pieces = await client.ref_content_stream(reference)
    return b"".join([piece async for piece in pieces])


def test_a_blob_and_a_manifest_come_back(aioregistry, server):
    """The blob goes in numbered chunks, and comes back in pieces."""
    content = [os.urandom(700_000), os.urandom(300_000)]

    async def there_and_back():
        async with aioregistry.AsyncRegistryClient() as client:
            top = aioregistry.parse_image_name(server.name("dev/aio:1"))
            blob = aioregistry.RegistryBlobRef(registry=top.registry, repo=top.repo, ref="")
            layer = await client.blob_write(blob, several(*content))
            config = await client.blob_write(blob, several(b"{}"))
            body = manifest_of(config.ref, layer.ref, sum(map(len, content)))
            manifest = aioregistry.Manifest.parse(body, media_type=OCI_MANIFEST)
            await client.manifest_write(top, manifest)
            seen = await client.ref_lookup(top)
            assert seen.digest == manifest.digest
            assert (await client.manifest_download(top)).digest == manifest.digest
            return await whole(client, layer)

    assert asyncio.run(there_and_back()) == b"".join(content)


def manifest_of(config, layer, size):
    return {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": config,
            "size": 2,
        },
        "layers": [
            {
                "mediaType": "application/vnd.oci.image.layer.v1.tar",
                "digest": layer,
                "size": size,
            }
        ],
    }


def test_an_index_is_copied_to_another_registry(aioregistry, server, skopeo, index, caplog):
    """All that it has is mounted: a mount that fails is warned of."""
    layout, digest = index
    skopeo.push(f"{layout.root}:1", server.name("dev/aio-index:1"))

    async def copy():
        async with aioregistry.AsyncRegistryClient() as client:
            source, target = (
                aioregistry.parse_image_name(server.name(f"{registry}/aio-index:1"))
                for registry in ("dev", "prod")
            )
            assert await client.copy_refs(source, target)

    with caplog.at_level("INFO", logger="aioregistry"):
        asyncio.run(copy())
    assert server.digest("prod/aio-index", "1") == digest
    assert sum("Mounted blob" in line for line in caplog.messages) == 4
    assert [line for line in caplog.messages if "mount failed" in line] == []


def test_repositories_and_tags_are_listed_and_deleted(aioregistry, server, skopeo, image):
    layout, digest = image
    for tag in ("1", "2"):
        skopeo.push(f"{layout.root}:1", server.name(f"dev/aio-listed:{tag}"))

    async def look():
        async with aioregistry.AsyncRegistryClient() as client:
            top = aioregistry.parse_image_name(server.name("dev/aio-listed:1"))
            assert "dev/aio-listed" in await client.registry_repos(top.registry)
            assert await client.registry_repo_tags(top.registry, top.repo) == ["1", "2"]
            assert await client.ref_delete(top)
            assert await client.ref_lookup(top) is None
            assert await client.registry_repo_tags(top.registry, top.repo) == ["2"]
            other = top.model_copy(update={"ref": "2"})
            return await client.manifest_download(other)

    manifest = asyncio.run(look())
    assert digest_of(manifest.canonical().encode()) == digest
    assert json.loads(manifest.canonical())["mediaType"] == OCI_MANIFEST
