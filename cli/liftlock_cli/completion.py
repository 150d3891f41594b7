"""`completion`: the scripts by which bash, zsh and fish ask this command what a word may become.

The scripts are ours, since click's know nothing of the colon in `dev/app:1.2`, at which bash begins
a new word, nor of names that go on. They hand the line over up to the cursor; what comes back is a
type, a value and a word of help, between tabs, a line each.
"""

from __future__ import annotations

import os
from typing import Final

import click
from click.shell_completion import CompletionItem, ShellComplete, add_completion_class
from click.shell_completion import split_arg_string as split

from liftlock_cli.completing import PART

LINE_VARIABLE: Final = "_LIFTLOCK_LINE"
_COMPLETE_VARIABLE: Final = "_LIFTLOCK_COMPLETE"
_NO_HELP: Final = "-"

_BASH: Final = r"""
%(complete_func)s() {
    local line=${COMP_LINE:0:COMP_POINT} type value help
    line=${COMP_WORDS[0]}${line#*"${COMP_WORDS[0]}"}
    # Bash replaces what is behind the last colon, at sign or equals sign, and no more than that.
    local word=${line##*[[:space:]]} current=${COMP_WORDS[COMP_CWORD]}
    case $current in :|=|@) current= ;; esac
    local before=${word%%"$current"}
    COMPREPLY=()
    while IFS=$'\t' read -r type value help; do
        case $type in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            part) compopt -o nospace; COMPREPLY+=("${value#"$before"}") ;;
            plain) COMPREPLY+=("${value#"$before"}") ;;
        esac
    done < <(_LIFTLOCK_LINE=$line %(complete_var)s=bash_complete "$1" 2>/dev/null)
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""

_ZSH: Final = r"""
#compdef %(prog_name)s
%(complete_func)s() {
    local type value help
    local -a plain shown part shown_part
    while IFS=$'\t' read -r type value help; do
        [[ $help == - ]] && help= || help=" -- $help"
        case $type in
            dir) _path_files -/ ;;
            file) _path_files -f ;;
            part) part+=("$value"); shown_part+=("$value$help") ;;
            plain) plain+=("$value"); shown+=("$value$help") ;;
        esac
    done < <(_LIFTLOCK_LINE="${(j: :)words[1,CURRENT-1]} $PREFIX" \
        %(complete_var)s=zsh_complete "${words[1]}" 2>/dev/null)
    (( $#plain )) && compadd -V unsorted -d shown -a plain
    (( $#part )) && compadd -V unsorted -S '' -d shown_part -a part
    return 0
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    %(complete_func)s "$@"
else
    compdef %(complete_func)s %(prog_name)s
fi
"""

_FISH: Final = r"""
function %(complete_func)s
    set -lx %(complete_var)s fish_complete
    set -lx _LIFTLOCK_LINE (commandline -cp | string collect)
    %(prog_name)s 2>/dev/null | while read -l -d \t type value help
        switch $type
            case dir
                __fish_complete_directories $value
            case file
                __fish_complete_path $value
            case part plain
                test "$help" = "-"; and echo $value; or printf '%%s\t%%s\n' $value $help
        end
    end
end
complete --no-files --command %(prog_name)s --arguments "(%(complete_func)s)"
"""


class _Line(ShellComplete):
    """What all three have in common: the line comes in a variable, items go out between tabs."""

    keeps_option = True
    """Whether a value that is given as `--option=value` is answered with its option."""

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the finished words behind the command, and the one that is not."""
        line = os.environ.get(LINE_VARIABLE, "")
        words = split(line)
        incomplete = "" if not words or line[-1:].isspace() else words.pop()
        return words[1:], incomplete

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        """Return what `incomplete` may become."""
        items = super().get_completions(args, incomplete)
        option, equals, _ = incomplete.partition("=")
        if self.keeps_option and equals and option.startswith("--"):
            for item in items:
                item.value = f"{option}={item.value}"
        return items

    def format_completion(self, item: CompletionItem[str]) -> str:
        """Write one item."""
        help_ = " ".join((item.help or "").split())
        return f"{item.type}\t{item.value}\t{help_ or _NO_HELP}"


class _Bash(_Line):
    name = "bash"
    source_template = _BASH
    keeps_option = False  # it replaces what is behind the equals sign


class _Zsh(_Line):
    name = "zsh"
    source_template = _ZSH


class _Fish(_Line):
    name = "fish"
    source_template = _FISH

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        """Offer two ways on for what may go on: fish puts a blank behind the only one."""
        items = []
        for item in super().get_completions(args, incomplete):
            items.append(item)
            if item.type == PART and item.value[-1].isalnum():
                more = ":" if "/" in item.value else "/"
                items.append(CompletionItem(item.value + more, type=PART))
        return items


_SHELLS: Final[dict[str, type[_Line]]] = {
    each.name: add_completion_class(each) for each in (_Bash, _Zsh, _Fish)
}


@click.command()
@click.argument("shell", type=click.Choice(list(_SHELLS)), metavar="bash|zsh|fish")
@click.pass_context
def completion(context: click.Context, *, shell: str) -> None:
    """Print the script that lets a shell complete commands, options and stored names.

    \b
    bash:  liftlock completion bash > ~/.local/share/bash-completion/completions/liftlock
    zsh:   liftlock completion zsh > "${fpath[1]}/_liftlock"
    fish:  liftlock completion fish > ~/.config/fish/completions/liftlock.fish
    """  # noqa: D301 - click's mark for "do not rewrap" is the character, not its name
    command = context.find_root().command
    made = _SHELLS[shell](command, {}, "liftlock", _COMPLETE_VARIABLE)
    click.echo(made.source().lstrip(), nl=False)
