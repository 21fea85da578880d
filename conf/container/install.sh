#!/bin/sh
# What both images are made of; run while an image is built.
#   install.sh <requirements.txt> <lock.txt>
set -eu

# g++: gradient steps in C++; git: a run notes its commit; libegl1, libgl1: pictures without a display
apt-get update
apt-get install -y --no-install-recommends g++ git libegl1 libgl1
rm -rf /var/lib/apt/lists/*

pip install --no-cache-dir "$(grep '^torch==' "$1")"
pip install --no-cache-dir --no-deps --require-hashes -r "$2"

# The clone comes from outside, and may belong to somebody else than who runs here.
git config --system --add safe.directory '*'
