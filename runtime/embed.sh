#!/bin/sh
# Text files as C: `embed.sh NAME...`, run from the repository's root, prints build/gen/device_text.c,
# from which the runtime gives NVRTC the headers that emitted code includes. EMBED_AS=machine and
# EMBED_AS=host print the other lists: headers of the machine model, and those of emitted C.
set -eu
echo '/* Made by runtime/embed.sh from the headers it names. */'
as=${EMBED_AS:-device}
echo '#include "runtime/runtime.h"'
echo "extern const TextFile tile__${as}_headers[];"
echo "extern const int tile__${as}_header_count;"
echo "const TextFile tile__${as}_headers[] = {"
for name in "$@"; do
    printf '{"%s",\n' "$name"
    # Quotes, backslashes and question marks (of trigraphs) are escaped; a line becomes a string.
    sed -e 's/[\\"?]/\\&/g' -e 's/.*/"&\\n"/' "$name"
    echo '},'
done
echo '};'
echo "const int tile__${as}_header_count = $#;"
