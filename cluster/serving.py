"""The steps that install Knative Serving, the same for every kind of cluster."""

from __future__ import annotations

from collections.abc import Callable

from cluster import knative, ko, layout, steps


def make_steps(places: layout.Layout, *, ready: tuple[str, ...], build_after: tuple[str, ...] = ()) -> list[steps.Step]:
    """Return the steps; `ready` names those after which the API answers, `build_after` those the build waits for."""
    return [
        steps.Step(
            "build Knative",
            run=lambda: knative.build(places),
            done=lambda: knative.directory(places).is_dir(),
            after=("push static", *build_after),
        ),
        steps.Step(
            "push Knative images",
            run=lambda: ko.push(places, "knative"),
            done=lambda: ko.are_pushed(places, "knative"),
            after=("build Knative",),
        ),
        stamped(places, "apply Knative types", lambda: knative.apply_types(places), after=ready),
        stamped(
            places,
            "apply Knative",
            lambda: knative.apply_core(places),
            after=("apply Knative types", "push Knative images"),
        ),
        steps.Step(
            "wait for Knative",
            run=lambda: knative.wait_available(places),
            done=lambda: knative.is_available(places),
        ),
    ]


def stamped(places: layout.Layout, name: str, run: Callable[[], None], *, after: tuple[str, ...]) -> steps.Step:
    """Return a step whose end is noted in the state, which goes away with the cluster."""
    stamp = places.stamps / name.replace(" ", "-")

    def run_and_note() -> None:
        run()
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.touch()

    return steps.Step(name, run=run_and_note, done=stamp.exists, after=after)
