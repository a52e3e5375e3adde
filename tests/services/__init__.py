"""Real parts for tests: each file here starts, watches and stops one program, on a free port or a private socket.

Nothing in these classes knows pytest. tests/conftest.py turns them into fixtures; tests/services/test_*.py prove that
each part really works.
"""
