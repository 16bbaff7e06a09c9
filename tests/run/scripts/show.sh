#!/bin/sh
# Says what it was given.
echo "args $#: $*"
cat
echo "to stderr" >&2
exit "${STATUS:-0}"
