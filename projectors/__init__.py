"""The projectors: Faust workers that fold the log into Postgres, each the only writer of its partitions' accounts."""
