#!/usr/bin/env sh
echo one
echo two
sleep "$1"
echo three
