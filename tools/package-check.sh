#!/usr/bin/env bash
# Makes the packages and uses them as somebody would who has nothing but the SDK: installs the command and every library from a folder of packages into
# new projects outside the repository, and runs the programs of their readmes on the demo's model. Stops at the first thing that does not work.
# Run it from anywhere: tools/package-check.sh [FOLDER]. FOLDER keeps the packages; without it they are made in a temporary folder.
set -euo pipefail
export OMP_WAIT_POLICY=passive # threads that wait leave the cores to others
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
feed=${1:-$work/feed}
mkdir -p "$feed"
feed=$(cd "$feed" && pwd)

step() { printf '== %s\n' "$*"; }
fail() { printf 'package-check: %s\n' "$*" >&2; exit 1; }

step "pack"
strip=$(command -v strip >/dev/null && echo true || echo false)
dotnet pack -c Release "$root" -p:PackageOutputPath="$feed" -p:StripLibTorch="$strip" > "$work/pack.log" 2>&1 || { cat "$work/pack.log"; exit 1; }
if grep -E '(^|[ :])(warning|error) [A-Z]+[0-9]+:' "$work/pack.log"; then fail "packing warned"; fi
version=$(basename "$feed"/SnapViT.Core.*.nupkg .nupkg | sed 's/^SnapViT\.Core\.//')
ls -l "$feed" | awk 'NR > 1 { print $5, $9 }'

# New projects take the packages under test from the feed alone, into a cache of their own; what the others need may be in the cache that is there.
cd "$work"
seen=$(dotnet nuget locals global-packages --list | sed 's/^global-packages: //; s,/$,,')
export NUGET_PACKAGES=$work/cache
cat > nuget.config <<XML
<configuration>
  <packageSources><add key="feed" value="$feed" /></packageSources>
  <fallbackPackageFolders><add key="seen" value="$seen" /></fallbackPackageFolders>
</configuration>
XML

step "dotnet tool install SnapViT.Cli"
mkdir newcomer && cd newcomer
dotnet tool install SnapViT.Cli --tool-path "$work/tool" --add-source "$feed" --version "$version" > "$work/tool.log" 2>&1 || { cat "$work/tool.log"; exit 1; }
PATH=$work/tool:$PATH
du -sm "$work/tool" | awk '{ print $1 " MB installed" }'
for licence in THIRD-PARTY-NOTICES.txt LICENSE-LIBTORCH.txt; do
  [ -n "$(find "$work/tool" -name "$licence")" ] || fail "$licence is not installed"
done
snapvit --help > help.txt
if [ "$(uname)" = Linux ]; then
  if LD_DEBUG=files snapvit --help 2>&1 >/dev/null | grep -q libtorch; then fail "--help loads libtorch"; fi
  # Processor time: the least of five, so that other work on the machine does not count.
  TIMEFORMAT='%U %S'
  spent=$(for _ in 1 2 3 4 5; do { time snapvit --help > /dev/null; } 2>&1; done | awk '{ print int(($1 + $2) * 1000) }' | sort -n | head -1)
  echo "--help takes $spent ms of processor time"
  [ "$spent" -lt 150 ] || fail "--help takes $spent ms; 150 are the most"
fi

step "build, cut and export with the installed command"
snapvit demo --out demo.html --files demo > demo.txt 2>&1
snapvit build demo/model.safetensors --images demo/photos --out demo/scores.safetensors > /dev/null 2>&1
snapvit cut demo/model.safetensors demo/scores.safetensors --flops 0.6 --out demo/small.safetensors | tail -1
snapvit export demo/model.safetensors demo/scores.safetensors --onnx-family demo/family --budgets 0.3,0.6,1.0 | tail -1

step "serve the family, and ask it with curl"
snapvit serve demo/family --listen 127.0.0.1:0 --json > serve.json &
server=$!
trap 'kill "$server" 2>/dev/null; rm -rf "$work"' EXIT
for _ in $(seq 100); do grep -q '^}' serve.json && break; sleep 0.2; done
url=$(sed -n 's/^  "url": "\(.*\)",$/\1/p' serve.json)
[ -n "$url" ] || fail "serve does not say where it listens: $(cat serve.json)"
photo=$(find demo/photos -name '*.png' | sort | head -1)
ask() { curl --silent --show-error --fail-with-body "$@"; }
ask -F images=@"$photo" -F budget=0.6 "$url/embed" | grep -o '"budget":"[^"]*"' || fail "/embed does not answer"
ask --data-binary @"$photo" -H 'Content-Type: image/png' "$url/classify?deadline_ms=1000&top=1" | grep -o '"predictions":.*' || fail "/classify does not answer"
printf '{"images": ["%s"]}' "$(base64 < "$photo" | tr -d '\n')" | ask --data-binary @- -H 'Content-Type: application/json' "$url/embed" > answer.json
for page in / docs openapi.json budgets health ready metrics; do ask -o page "$url/${page#/}" || fail "$url/$page does not answer"; done
kill -TERM "$server"
wait "$server" || fail "serve does not end with 0"
trap 'rm -rf "$work"' EXIT

# The program and the package lines of a readme, with libtorch for the machine at hand.
case "$(uname -s)-$(uname -m)" in
  Linux-x86_64) libtorch=libtorch-cpu-linux-x64 ;;
  Darwin-arm64) libtorch=libtorch-cpu-osx-arm64 ;;
  *) libtorch=libtorch-cpu-win-x64 ;;
esac
packages() { sed -n 's/^dotnet add package //p' "$1" | sed "s/libtorch-cpu-linux-x64/$libtorch/; s/--prerelease/--version $version/"; }
program() { awk '/^```csharp/ { on = 1; next } /^```/ { on = 0 } on' "$1"; }

readme_program() { # the package whose readme it is, then the files that the program wants
  local package=$1 readme=$root/src/$1/PACKAGE.md
  shift
  step "the program of $package's readme in a new project"
  dotnet new console -o "$work/try.$package" > /dev/null
  (
    cd "$work/try.$package"
    packages "$readme" | while read -r line; do dotnet add package $line > add.log 2>&1 || { cat add.log; exit 1; }; done
    program "$readme" > Program.cs
    dotnet build -c Release -o out > build.log 2>&1 || { cat build.log; exit 1; }
    if grep -E '(^|[ :])warning [A-Z]+[0-9]+:' build.log; then fail "a new project with $package warns"; fi
    for file in "$@"; do cp -r "$work/newcomer/demo/$file" .; done
    [ ! -d photos ] || cp "$(find photos -name '*.png' | sort | head -1)" photo.png
    "out/try.$package"
  )
}

readme_program SnapViT.Core scores.safetensors
readme_program SnapViT.Images photos
readme_program SnapViT model.safetensors photos
readme_program SnapViT.Runtime family photos
readme_program SnapViT.Extensions.AI model.safetensors scores.safetensors photos

step "one file without a project: dotnet run app.cs"
mkdir "$work/file" && cp "$root/samples/Cookbook/app.cs" "$work/file"
sed -i.bak "s/@0\.1\.0-\*$/@$version/" "$work/file/app.cs"
(cd "$work/file" && dotnet run app.cs "$work/newcomer/demo/family" "$work/newcomer/demo/photos")

step "all packages work"
