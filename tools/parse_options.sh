# Options of a shell script, Kaldi's way. Source it after setting the defaults:
#
#   corpus=            # folder of the corpus as published
#   stage=1            # first stage
#   . tools/parse_options.sh
#
# Every variable that is set before becomes an option: --stage 3 or --stage=3 sets $stage, --stop-stage sets
# $stop_stage. A variable that is "true" or "false" takes no value: --force sets $force to true. What
# is left over stays in "$@". --help prints the comment at the head of the script.

_script_help() {
  awk 'NR > 1 && /^#/ { sub(/^# ?/, ""); print; next } NR > 1 { exit }' "$0"
}

while [ $# -gt 0 ]; do
  case "$1" in
    --help | -h) _script_help; exit 0 ;;
    --) shift; break ;;
    --*=*) _name=${1%%=*}; _value=${1#*=}; _given=true ;;
    --*) _name=$1; _value=; _given=false ;;
    *) break ;;
  esac
  _name=$(printf '%s' "${_name#--}" | tr - _)
  case "$_name" in
    '' | *[!a-z0-9_]* | [0-9]* | _*) echo "error: $1 is no option; see --help" >&2; exit 2 ;;
  esac
  if ! eval "[ \"\${$_name+set}\" = set ]"; then
    echo "error: unknown option $1; see --help" >&2
    exit 2
  fi
  if [ "$_given" = false ]; then
    eval "_old=\$$_name"
    if [ "$_old" = true ] || [ "$_old" = false ]; then
      _value=true
    elif [ $# -ge 2 ]; then
      _value=$2
      shift
    else
      echo "error: option $1 needs a value" >&2
      exit 2
    fi
  fi
  eval "$_name=\$_value"
  shift
done
unset _name _value _given _old
