#!/usr/bin/env bash
# Builds the site of the pages and of the libraries' XML documentation into artifacts/docs/site, with docfx. Fails on any warning.
# Run it after dotnet build -c Release.
set -euo pipefail
cd "$(dirname "$0")/.."
library=$(find samples/Cookbook/bin/Release -name SnapViT.Torch.dll 2>/dev/null | head -1)
[ -n "$library" ] || { echo "docs-site: expected samples/Cookbook to be built in Release, found no SnapViT.Torch.dll"; exit 1; }
dotnet tool restore > /dev/null

# docfx takes what lies below its own file: the pages as they lie in the repository, so that links between them hold.
work=artifacts/docs
rm -rf "$work"
mkdir -p "$work/libraries"
git ls-files -co --exclude-standard -- '*.md' docs/images 'bench/results/*' 'samples/Cookbook/*.cs' LICENSE NOTICE | while read -r file; do
  [ -f "$file" ] || continue
  mkdir -p "$work/$(dirname "$file")"
  cp "$file" "$work/$file"
done
rm -f "$work"/src/*/PACKAGE.md
cp docs/docfx.json docs/toc.yml "$work"
find "$(dirname "$library")" -maxdepth 1 -name '*.dll' ! -name 'onnxruntime*' -size -20M -exec cp {} "$work/libraries" \;

# docfx shows inherited parameters beside those that a member describes itself; the compiler and editors take the member's own.
for xml in "$(dirname "$library")"/SnapViT.*.xml; do
  awk '
    /<member / { member = "" }
    { member = member $0 "\n" }
    /<\/member>/ || !/<member/ && member == $0 "\n" {
      if (member ~ /<inheritdoc cref/ && member ~ /<param /) sub(/\/>/, " path=\"/*[not(self::param)]\"/>", member)
      printf "%s", member
      member = ""
    }' "$xml" > "$work/libraries/$(basename "$xml")"
done

log=$work/docfx.log
if ! dotnet docfx "$work/docfx.json" --warningsAsErrors > "$log" 2>&1 || grep -qE '(^|: )warning' "$log"; then
  grep -E 'warning|error' "$log" | sort -u | head -40
  exit 1
fi
for page in docs/cookbook docs/server README api/SnapViT.ElasticViT api/SnapViT.Runtime.ViTFamily; do
  [ -f "$work/site/$page.html" ] || { echo "docs-site: $page.html is missing"; exit 1; }
done
echo "$work/site: $(find "$work/site" -name '*.html' | wc -l) pages"
