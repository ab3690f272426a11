"""The real servers and clients that tests run against, and how a run says which of them it really used.

``BANKASSIST_TEST_ELASTICSEARCH`` and ``BANKASSIST_TEST_POSTGRES`` are URLs of a developer's own; ``BANKASSIST_TEST_KIT`` is a folder with
``elasticsearch/start.sh``, ``elasticsearch/stop.sh`` and ``java/``. Where there is neither, tests that need the server are left out; with
``BANKASSIST_TEST_REQUIRE=1`` (continuous integration) that is a failure.
"""
