#!/bin/sh
# Text files as C: `embed.sh NAME...`, run from the repository's root, prints build/gen/device_text.c,
# from which the runtime gives NVRTC the headers that emitted code includes.
set -eu
echo '/* Made by runtime/embed.sh from the headers it names. */'
echo '#include "runtime/runtime.h"'
echo 'const TextFile tile__device_headers[] = {'
for name in "$@"; do
    printf '{"%s",\n' "$name"
    # Quotes, backslashes and question marks (of trigraphs) are escaped; a line becomes a string.
    sed -e 's/[\\"?]/\\&/g' -e 's/.*/"&\\n"/' "$name"
    echo '},'
done
echo '};'
echo "const int tile__device_header_count = $#;"
