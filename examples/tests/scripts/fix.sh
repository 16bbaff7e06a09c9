#!/bin/sh
# Makes room by removing what the cache can do without.
exec find "$1" -type f -mtime +"$2" -delete -print
