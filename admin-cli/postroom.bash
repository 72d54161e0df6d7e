# Completion of the postroom command for bash: it asks the command itself.
_postroom() {
    local IFS=$'\n' command=${COMP_WORDS[0]}
    mapfile -t COMPREPLY < <("$command" complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    [ ${#COMPREPLY[@]} -gt 0 ] || compopt -o default
}
complete -F _postroom postroom
