#!/usr/bin/env bash
# Rewrites the lists of public members (src/*/PublicAPI.Unshipped.txt) from what the compiler finds. Run it after a public member was added, renamed
# or removed, and read the diff.
set -eu
cd "$(dirname "$0")/.."
for library in SnapViT.Core SnapViT.Images SnapViT SnapViT.Runtime SnapViT.Extensions.AI; do
  list="src/$library/PublicAPI.Unshipped.txt"
  echo '#nullable enable' > "$list"
  dotnet build -c Release "src/$library" |
    sed -n "s/.*error RS0016: Symbol '\(.*\)' is not part of the declared public API.*/\1/p" | LC_ALL=C sort -u > "$list.members"
  cat "$list.members" >> "$list"
  rm "$list.members"
done
