import subprocess
import sys


def test_a_portrait_can_be_drawn_without_torch():
    program = "import sys, attnbench.inspection.attention_example; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
