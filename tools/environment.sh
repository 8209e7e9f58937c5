# Makes .venv from a Python >= 3.11 and installs the project into it, once; sourced by deploy.sh and test.sh.
# usage: make_environment [dev]     in the project's folder
# A stamp names what was installed, so that the next call costs milliseconds.

find_python() {
    local candidate
    for candidate in ${PYTHON:-} python3.13 python3.12 python3.11 python3 python3.14; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            echo "$candidate"
            return
        fi
    done
    echo "${0##*/}: needs Python 3.11 or later; none of python3.13, 3.12, 3.11, python3 is; name one with PYTHON=..." >&2
    return 1
}

make_environment() {
    local extra=${1:-} stamp=.venv/installed sum python
    sum=$(cat pyproject.toml constraints.txt | cksum)
    if [[ -x .venv/bin/python && -f $stamp ]]; then
        case $(<"$stamp") in
            "$sum $extra" | "$sum dev") return ;;
        esac
    fi
    if ! [[ -x .venv/bin/python ]]; then
        python=$(find_python) || return 1
        echo "making .venv with $("$python" -V) (once)" >&2
        if ! "$python" -m venv .venv >&2; then
            rm -rf .venv
            echo "${0##*/}: $python cannot make environments; install its venv module (such as python3-venv)" >&2
            return 1
        fi
    fi
    if ! .venv/bin/python -m pip install -q --disable-pip-version-check -c constraints.txt \
        -e ".${extra:+[$extra]}" >&2; then
        echo "${0##*/}: pip could not install the packages of constraints.txt; see its lines above" >&2
        return 1
    fi
    echo "$sum $extra" >"$stamp"
}
