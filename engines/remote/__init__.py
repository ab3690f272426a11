"""Parts of :mod:`engines.remote_generator`: generation by a server that speaks the OpenAI wire."""
