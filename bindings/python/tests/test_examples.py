"""The examples of the documentation run as they stand, each in a process of its own."""

import pathlib
import subprocess
import sys
import textwrap

from programs import ENVIRONMENT

ROOT = pathlib.Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "docs" / "examples"


def run(name: str, *arguments: object) -> list[str]:
    finished = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *map(str, arguments)],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.splitlines()


def test_quickstart_finds_the_note_itself_and_only_notes_on_tea(tmp_path):
    lines = run("quickstart.py", tmp_path / "q")
    assert len(lines) == 3 and lines[0].split()[0] == "note-41"
    assert all(line.split()[-1] == "tea" for line in lines)


def test_asyncio_program_gets_each_answer_for_its_own_question(tmp_path):
    assert run("asyncio_search.py", tmp_path / "a") == [f"found {[f'doc-{i}' for i in range(8)]}"]


def test_agent_memory_is_recalled_by_another_process_for_one_tenant_and_time(tmp_path):
    assert run("agent_memory.py", "write", tmp_path / "m") == ["stored 6 turns"]
    lines = run("agent_memory.py", "recall", tmp_path / "m", "how do I make the build faster?")
    assert [line.split()[0] for line in lines] == ["acme/0", "acme/1"]
    assert "four minutes now" in lines[1] and "2026-03-02" in lines[1]


def test_the_readme_runs(tmp_path):
    blocks = (ROOT / "README.md").read_text().split("```python\n")[1:]
    assert blocks
    for number, block in enumerate(blocks):
        script = tmp_path / f"readme_{number}.py"
        script.write_text(block.split("```")[0])
        finished = subprocess.run(
            [sys.executable, str(script)],
            cwd=tmp_path,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert finished.returncode == 0, finished.stderr


def test_the_readme_shows_the_c_and_cpp_examples_as_they_are_built_and_run():
    text = (ROOT / "README.md").read_text()
    for language in ("c", "cpp"):
        blocks = text.split(f"```{language}\n")[1:]
        assert len(blocks) == 1
        shown = textwrap.indent(blocks[0].split("```")[0], "  ")
        assert shown.count("\n") <= 15
        assert shown in (EXAMPLES / f"quickstart.{language}").read_text()
