lines=0 length=0 begin=${EPOCHREALTIME/./}
while IFS= read -r line; do ((lines++, length += ${#line})); done < <(seq "$1")
echo "$lines $length $((${EPOCHREALTIME/./} - begin))"
