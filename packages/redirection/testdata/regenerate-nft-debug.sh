#!/bin/sh
# Asks a real nft (1.0.6 made these) for the netlink expressions of each NAME.nft.golden, in a network namespace of its own:
# the tests compare them with ours and need no nft themselves. Needs root, unshare and nft. Run from this folder.
set -eu
for text in *.nft.golden; do
  unshare -n nft --debug=netlink -f "$text" | sed '/(null)/d' > "${text%.nft.golden}.nft-debug.golden"
done
