"""The mail sink as a component of the stack."""

from __future__ import annotations

import sys

from deploy.local import ports
from deploy.local.components import Component, plain_environment
from deploy.local.layout import Layout

NAME = "mail"


def mail(layout: Layout, port: int) -> Component:
    """The sink of this stack, which appends to the stack's mailbox."""
    return Component(
        name=NAME,
        command=(
            sys.executable, "-m", "deploy.local.mail_sink",
            "--host", ports.HOST, "--port", str(port), "--mbox", str(layout.mailbox),
        ),
        environment=plain_environment(layout),
        ports=(port,),
        is_ready=lambda: ports.accepts(port),
    )  # fmt: skip
