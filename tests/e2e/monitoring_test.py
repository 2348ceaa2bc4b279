#!/usr/bin/python3
"""examples/monitoring against the manual, a real daemon's page and Debian's promtool."""
import json
import os
import re
import subprocess

from daemon import Daemon
from runner import main

PROJECT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
MONITORING = os.path.join(PROJECT, "examples", "monitoring")
POLICY = """
backend app { url = "http://127.0.0.1:1" }
route open /ws { auth = none  allow connect  message say { allow } }
"""


def text(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


def promtool(*arguments, **options):
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def names_in(expression):
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"wayleave_[a-z_]+", expression)}


def test_rules_are_right_and_fire():
    promtool("check", "rules", "alerts.yml", cwd=MONITORING)
    promtool("check", "config", "--syntax-only", "prometheus.yml", cwd=MONITORING)
    promtool("test", "rules", "alerts_test.yml", cwd=MONITORING)


def test_every_metric_that_is_asked_for_is_in_the_manual():
    known = set(re.findall(r"^\.It Cm (wayleave_[a-z_]+)", text(PROJECT, "man", "wayleave.8"), re.M))
    expressions = re.findall(r"expr: (?:>-\n)?((?:.|\n)*?)\n        (?:for|labels):", text(MONITORING, "alerts.yml"))
    assert len(expressions) == 12, expressions
    dashboard = json.loads(text(MONITORING, "grafana.json"))
    assert len({panel["title"] for panel in dashboard["panels"]}) == 12
    expressions += [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    used = set().union(*(names_in(expression) for expression in expressions))
    assert used - known == set(), used - known
    # A recorded expression that no Prometheus can read would be an empty panel.
    for expression in expressions:
        plain = expression.replace("$__rate_interval", "1m").replace("$instance", ".*")
        promtool("check", "rules", "/dev/stdin", input="groups: [{name: g, rules: [{record: r, expr: " + json.dumps(plain) + "}]}]")


def test_the_metrics_page_is_as_promtool_wants_it():
    with Daemon(POLICY) as daemon:
        page = daemon.admin("/metrics")[1]
        promtool("check", "metrics", input=page)
        for name in ("handshake", "decision", "delivery", "broker", "loop_turn"):
            assert f'wayleave_{name}_seconds_bucket{{le="+Inf"}}' in page, name
        assert daemon.metric("wayleave_loop_turn_seconds_count") > 0


if __name__ == "__main__":
    main(globals())
