# bash completion for wayleave
_wayleave() {
    local cur prev command="" word
    cur=${COMP_WORDS[COMP_CWORD]}
    prev=${COMP_WORDS[COMP_CWORD - 1]}
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case $word in
            -*) ;;
            *)
                command=$word
                break
                ;;
        esac
    done
    case $prev in
        -c | --config)
            mapfile -t COMPREPLY < <(compgen -f -- "$cur")
            return
            ;;
        -s | --socket | --key | --out | --policy | --jwt | --junit)
            mapfile -t COMPREPLY < <(compgen -f -- "$cur")
            return
            ;;
        --new-key)
            mapfile -t COMPREPLY < <(compgen -W "HS256 RS256 ES256 EdDSA" -- "$cur")
            return
            ;;
        --format)
            local formats="text json"
            [[ $command == lint ]] && formats="text json sarif"
            mapfile -t COMPREPLY < <(compgen -W "$formats" -- "$cur")
            return
            ;;
    esac
    local words
    case $command in
        "") words="serve lint explain test diff types fmt reload status sessions nodes bans publish progress settings token version --help --version" ;;
        serve | settings) words="--config --help" ;;
        lint) words="--config --format --strict --explain --help" ;;
        explain)
            words="--config --policy --as --with --jwt --live --socket --at --ip --origin --no-origin --tls --subprotocol --header"
            words+=" --input --format --help connect subscribe publish message stream presence history disconnect"
            ;;
        test) words="--config --fail-under --junit --quiet --help" ;;
        types) words="--config --route --help" ;;
        diff) words="--format --help" ;;
        fmt) words="--check --help" ;;
        reload) words="--config --socket --dry-run --format --help" ;;
        status | nodes) words="--config --socket --format --help" ;;
        sessions) words="--config --socket --format --user --route --ip --channel --help" ;;
        publish) words="--config --socket --dedup --key --help" ;;
        progress) words="--config --socket --help" ;;
        bans) words="--config --socket --format --help lift" ;;
        token) words="--key --kid --issuer --audience --subject --expires --claim --claim-json --new-key --out --help" ;;
        *) words="--help" ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
    if [[ $command =~ ^(lint|fmt|test|diff|types)$ && $cur != -* ]]; then
        local paths
        mapfile -t paths < <(compgen -f -- "$cur")
        COMPREPLY+=("${paths[@]}")
    fi
}
complete -o filenames -F _wayleave wayleave
