"""A job that the first edition of this package left behind is continued."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from crawl_harness import Servers, assert_as_asked, crawl, sandbox
from scrapy import Request
from scrapy.dupefilters import RFPDupeFilter
from test_crawl_stopping import SLOW, job, plain

if TYPE_CHECKING:
    from typing import Any

pytestmark = [pytest.mark.crawl, pytest.mark.versions]

#: How it was made is in its README.
JOB = Path(__file__).parent / "first_edition_job"


def restore(folder: Path, servers: Servers, plan: list[dict[str, Any]]) -> None:
    """Copy the job to *folder*, with the ports of this run's sites."""
    ports = {
        port_of(url): port_of(servers[name])
        for name, url in json.loads((JOB / "sites.json").read_text("utf-8")).items()
    }
    assert {len(port) for pair in ports.items() for port in pair} == {5}

    def new_port(found: re.Match[bytes]) -> bytes:
        return ports[found[0]]

    old_port = re.compile(rb"(?<=127\.0\.0\.1:)(?:" + b"|".join(ports) + b")")
    shutil.copytree(JOB / "requests.queue", folder / "requests.queue")
    shutil.copy(JOB / "spider.state", folder)
    for queue in folder.glob("requests.queue/*/*/q*"):
        # All at once: a port of this run may be another site's in the job.
        queue.write_bytes(old_port.sub(new_port, queue.read_bytes()))
    seen = RFPDupeFilter(str(folder))
    for wanted in plan:
        method, body = wanted.get("method", "GET"), wanted.get("body", "")
        seen.request_seen(Request(wanted["url"], method=method, body=body))
    seen.close("finished")


def port_of(url: str) -> bytes:
    return url.rpartition(":")[2].encode()


def test_a_queue_of_the_first_edition_is_read(tmp_path: Path) -> None:
    """Each request that waited is delivered as it was asked for."""
    with sandbox(options=SLOW) as servers:
        plan = job(servers)
        restore(tmp_path, servers, plan)
        result = crawl(
            servers,
            plan,
            {
                "JOBDIR": str(tmp_path),
                # The default of newer versions of Scrapy, which wrote the job.
                "SCHEDULER_PRIORITY_QUEUE": (
                    "scrapy.pqueues.DownloaderAwarePriorityQueue"
                ),
                "REDIRECT_PRIORITY_ADJUST": 0,
                "ONECAPTCHA_API_URL": servers.info["quick"],
            },
        )
        result.assert_clean()
        assert servers.ledger()["rejections"] == {}
    waited = set(range(len(plan))) - plain(plan)
    assert result.ended == dict.fromkeys(waited, 1)
    assert result.errors == {}
    for number in waited:
        page = result.pages[number]
        assert_as_asked(page, plan[number])
        assert (page["echo"]["body"] or "") == plan[number].get("body", "")
    # One for each of two sites, one for each page of the wall: it grants no more.
    assert result.stat("tasks") == 8
