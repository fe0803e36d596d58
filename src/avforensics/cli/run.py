"""The command ``avforensics VERB [INPUT ...] [--out OUT] [key=value ...]``.

``avforensics.commands.VERB.run`` is called with the configuration that Hydra composes from
``configs/VERB.yaml``. Exit codes: 0 all done, 1 some failed, 2 wrong usage, 130 interrupted by
Ctrl-C, 143 by SIGTERM. A user error is printed as one sentence on stderr; AVFORENSICS_TRACEBACK=1
shows its traceback.
"""

from __future__ import annotations

import ast
import contextlib
import difflib
import errno
import gc
import os
import re
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import hydra
from hydra._internal.utils import get_args_parser  # the parser that hydra.main uses itself
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, InstantiationException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, read_write
from omegaconf.errors import OmegaConfBaseException

from avforensics import commands, interruption
from avforensics.cli.completion import complete
from avforensics.cli.explain import explain
from avforensics.cli.manual import CONFIGS, HYDRA, composer, manual
from avforensics.cli.overrides import check_overrides, quote_override
from avforensics.cli.positional import name_words, split_arguments
from avforensics.cli.start import source_of, verbs
from avforensics.cli.validation import check_kinds
from avforensics.errors import AVForensicsError, ConfigError
from avforensics.registry import load_plugins

FAILED, USAGE = 1, 2
_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EIO}


def run_words(verb: str, *rest: str) -> int:
    """Run a verb with the rest of the command line, and print user errors."""
    try:
        if verb in ("-sc", "--shell-completion", "--completion"):
            complete(rest[0] if rest else "", verbs())
            return 0
        check_verb(verb)
        words = name_words(verb, rest)
        if "-h" in words or "--help" in words:
            print(f"{ast.get_docstring(source_of(verb))}\n\n{_manual(verb, words)}")
            return 0
        return run_verb(verb, words)
    except (AVForensicsError, HydraException, OmegaConfBaseException, OSError) as error:
        return tell(error, verb)
    except KeyboardInterrupt:
        interruption.report()
        return interruption.exit_code()


def tell(error: Exception, verb: str) -> int:
    """Print a user error and return the exit code; raise other errors, or all errors on request."""
    message = explain(error, verb)
    if message is None or os.environ.get("AVFORENSICS_TRACEBACK") == "1":
        raise error
    print(f"avforensics: {message}", file=sys.stderr)
    return FAILED if getattr(error, "errno", None) in _DISK_FULL else USAGE


def _manual(verb: str, arguments: list[str]) -> str:
    """Return the help on the groups and settings of a verb, for the given command line."""
    given = get_args_parser().parse_intermixed_args(arguments)
    quoted = [quote_override(override) for override in given.overrides]
    return manual(verb, quoted, [given.config_dir] if given.config_dir else [])


def check_verb(verb: str) -> None:
    """Raise ConfigError unless the verb exists."""
    listed = verbs()
    if verb not in listed:
        near = difflib.get_close_matches(verb, listed, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known commands: {', '.join(listed)}."
        raise ConfigError(f"unknown command {verb!r}; {hint}")


def run_verb(verb: str, arguments: list[str]) -> int:
    """Compose the configuration and run the verb once or, with ``-m``, once per combination."""
    multirun = "-m" in arguments or "--multirun" in arguments
    flags, overrides = split_arguments(arguments)
    quoted = [quote_override(override, multirun=multirun) for override in overrides]
    check_overrides(quoted)
    script, main_process, codes = sys.argv[0], os.getpid(), []

    def task(cfg: DictConfig) -> None:
        settle_output_dir(cfg)
        with replaced_argv(job_arguments(script, verb, arguments, cfg)):
            if os.getpid() == main_process:
                codes.append(run_reporting(verb, cfg))
                return
            check_given(verb, cfg)
            if code := run_command(verb, cfg):  # a launcher's process can only return errors
                raise ConfigError(f"a job in {cfg.output_dir} ended with exit code {code}")

    words = [f"hydra.job.name={verb}", *quoted]
    os.environ["HYDRA_FULL_ERROR"] = "1"  # otherwise, Hydra prints its errors and exits
    with replaced_argv([script, *words, *flags]):
        # an experiment may define a sweep, but only hydra.main reads its hydra.mode
        if flags or any(re.match(r"[+~]*(hydra|experiment)\b", word) for word in quoted):
            hydra.main(version_base=HYDRA, config_path=f"pkg://{CONFIGS}", config_name=verb)(task)()
        else:
            run_once(verb, words, task)
    return max(codes, default=0)


def run_once(verb: str, overrides: list[str], task: Callable[[DictConfig], None]) -> None:
    """Run once as `hydra.main` would, without composing twice to find the mode."""
    with composer(task=verb) as runner:
        runner.run(config_name=verb, task_function=task, overrides=overrides)


def run_command(verb: str, cfg: DictConfig) -> int:
    """Import plugins and call the verb; turn Hydra's errors about settings into ConfigError."""
    try:
        load_plugins(cfg.get("plugins"))
        run = import_module(f"{commands.__name__}.{verb}").run
        if not gc.isenabled():
            gc.freeze()
            gc.enable()
        return int(run(cfg) or 0)
    except OmegaConfBaseException as error:
        raise ConfigError(explain(error, verb)) from error
    except InstantiationException as error:
        if isinstance(error.__cause__, (AVForensicsError, ValueError, TypeError)):
            raise ConfigError(" ".join(str(error.__cause__).split())) from error
        raise


def run_reporting(verb: str, cfg: DictConfig) -> int:
    """Like `run_command`, but prints user errors.

    Hydra would print its own heading and stop a sweep at the first error.
    """
    try:
        check_given(verb, cfg)
        return run_command(verb, cfg)
    except (AVForensicsError, OSError) as error:
        return tell(error, verb)


def check_given(verb: str, cfg: DictConfig) -> None:
    """Raise ConfigError if a value on the command line has a different type from its default."""
    settings = HydraConfig.get()
    # ${...} stays text here
    given = OmegaConf.to_container(settings.overrides.task, resolve=False)
    check_kinds(verb, cfg, given, settings.runtime.choices)


def settle_output_dir(cfg: DictConfig) -> None:
    """Make ``output_dir`` absolute; in a sweep, set it to the job's own folder."""
    if "output_dir" not in cfg:
        return
    settings = HydraConfig.get()
    folder = settings.runtime.output_dir
    if settings.mode != RunMode.MULTIRUN:
        folder = str(Path(cfg.output_dir).absolute())
    else:
        # Lightning passes run.dir to the processes that it starts for other devices
        node = HydraConfig.instance().cfg.hydra
        with read_write(node):
            node.run.dir = folder
    with read_write(cfg):
        cfg.output_dir = folder


def job_arguments(script: str, verb: str, arguments: list[str], cfg: DictConfig) -> list[str]:
    """Return the command line that runs exactly this job.

    Lightning starts a process for each additional device by running ``sys.argv`` again. These
    processes need the verb, one combination of a sweep, and the folder, whose name may contain the
    time of day.
    """
    settings = HydraConfig.get()
    if settings.mode == RunMode.MULTIRUN:
        sources = (s.path for s in settings.runtime.config_sources if s.provider == "command-line")
        arguments = [word for path in sources for word in ("--config-dir", path)]
        arguments += ["--config-name", settings.job.config_name, *settings.overrides.task]
    folder = [quote_override(f"output_dir={cfg.output_dir}")] if "output_dir" in cfg else []
    return [script, verb, *arguments, *folder]


@contextlib.contextmanager
def replaced_argv(argv: list[str]) -> Iterator[None]:
    """Set ``sys.argv`` to ``argv`` inside the block."""
    before, sys.argv = sys.argv, argv
    try:
        yield
    finally:
        sys.argv = before
