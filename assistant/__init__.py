"""The online service: route, retrieve, generate, ground, guard, audit; REST and the commands that ask."""
