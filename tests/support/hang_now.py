"""Run the flow that never ends, in this process."""

from tests.support.tiny_flows import hang

if __name__ == "__main__":
    hang()
