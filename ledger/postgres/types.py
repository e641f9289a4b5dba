"""The two types of connection that the program passes around."""

from typing import Any

import psycopg

Connection = psycopg.Connection[Any]
AsyncConnection = psycopg.AsyncConnection[Any]
