"""Writes each compiled program's circuits as exact ablation finds them: ``zero.json`` and ``resample.json``.

    python -m tests.known_answers.write_circuits

``edges`` are pairs of a part and an input of another; ``units`` are the heads and MLPs that an edge leaves.
"""

from tests.known_answers.files import TRACR, write_json
from tests.known_answers.programs import ABLATIONS, PROGRAMS, Judge, load_program


def main():
    for name in PROGRAMS:
        program = load_program(name)
        for ablation in ABLATIONS:
            judge = Judge(program, ablation)
            edges, units = judge.names(judge.find())
            circuit = {"units": units, "edges": [edge.split("->") for edge in edges]}
            write_json(TRACR / name / f"{ablation}.json", circuit)
            print(f"{name}, {ablation}: {len(edges)} of {len(judge.runs.space.edges)} edges")


if __name__ == "__main__":
    main()
