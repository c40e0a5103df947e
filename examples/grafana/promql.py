# SPDX-License-Identifier: Apache-2.0
"""What the dashboard asks Prometheus: its variables, and its queries by their legends.

Histograms have two names, those of GenAI conventions v1.41 and the newest ones: ``or`` takes what
is there. (A matcher of both names fails for minutes after a program changed from one to the other.)
"""

from __future__ import annotations

from typing import Final

from examples.prometheus.prices import PRICE
from examples.prometheus.prices import TOKENS as BILLED
from examples.prometheus.prices import UNPRICED as UNPRICED_SERIES

_USAGE: Final = "gen_ai_client_inference_usage"
_INPUT: Final = f"{_USAGE}_input_tokens_total"
_TOOL: Final = "gen_ai_execute_tool_duration_seconds"
_LOOP: Final = "gen_ai_invoke_agent"

# By name: label, and the metric and its label that have the values.
VARIABLES: Final[dict[str, tuple[str, str, str]]] = {
    "service": ("Service", _INPUT, "job"),
    "model": ("Model that answered", _INPUT, "gen_ai_response_model"),
    "asked": ("Model asked for", _INPUT, "gen_ai_request_model"),
    "server": ("Server", _INPUT, "server_address"),
}
# Tools and loops are no calls of a model at a server.
_SERVICE: Final = 'job=~"$service"'
_CALL: Final = (
    f'{_SERVICE},gen_ai_response_model=~"$model",'
    'gen_ai_request_model=~"$asked",server_address=~"$server"'
)
_CONVERSATION: Final = f'{_CALL},gen_ai_operation_name=~"chat|invoke_agent"'


def _rate(metric: str, labels: str, over: str = "$__rate_interval") -> str:
    return f"rate({metric}{{{labels}}}[{over}])"


def _either(part: str, labels: str, over: str = "$__rate_interval") -> str:
    old, new = (f"gen_ai_client_{name}_{part}" for name in ("operation", "inference"))
    return f"({_rate(old, labels, over)} or {_rate(new, labels, over)})"


def _quantiles(by: str, buckets: str) -> dict[str, str]:
    return {
        f"p{share * 100:.0f} {{{{{by}}}}}": (
            f"histogram_quantile({share}, sum by ({by}, le) ({buckets}))"
        )
        for share in (0.5, 0.95)
    }


def _per_minute(metric: str, labels: str, *by: str) -> str:
    return f"60 * sum by ({', '.join(by)}) ({_rate(metric, labels)})"


def _cost(over: str) -> str:
    return (
        f"increase({BILLED}{{{_CALL}}}[{over}])"
        f" * on (gen_ai_response_model, kind) group_left () {PRICE} / 1e6"
    )


def _per_loop(part: str) -> str:
    total, count = (_rate(f"{_LOOP}_{part}_{end}", _SERVICE) for end in ("sum", "count"))
    return f"sum({total}) / sum({count})"


_OUTCOME: Final = "mistral_ai_stream_outcome"
OUTCOMES: Final = {
    f"{{{{{_OUTCOME}}}}}": (
        f"sum by ({_OUTCOME}) ("
        + _either("duration_seconds_count", f'{_CONVERSATION},{_OUTCOME}!=""')
        + ")"
    ),
    "not streamed": "sum("
    + _either("duration_seconds_count", f'{_CONVERSATION},{_OUTCOME}="",error_type=""')
    + ")",
    "refused, or failed before the stream": "sum("
    + _either("duration_seconds_count", f'{_CONVERSATION},{_OUTCOME}="",error_type!=""')
    + ")",
}
ERRORS: Final = {
    "{{error_type}}": (
        "sum by (error_type) (" + _either("duration_seconds_count", f'{_CALL},error_type!=""') + ")"
    ),
}
FAILED_DURATION: Final = _quantiles(
    "error_type", _either("duration_seconds_bucket", f'{_CALL},error_type!=""')
)
_FAILED: Final = _either("duration_seconds_count", f'{_CALL},error_type!=""', "$__range")
_ALL: Final = _either("duration_seconds_count", _CALL, "$__range")
ERROR_SHARE: Final = f"(sum({_FAILED}) or vector(0)) / sum({_ALL})"
TOKENS: Final = {
    f"{{{{gen_ai_response_model}}}} {kind}": _per_minute(metric, _CALL, "gen_ai_response_model")
    for kind, metric in {
        "input": _INPUT,
        "cached": f"{_USAGE}_cache_read_input_tokens_total",
        "output": f"{_USAGE}_output_tokens_total",
        "reasoning": f"{_USAGE}_reasoning_output_tokens_total",
        "connectors": "mistral_ai_client_connector_tokens_total",
    }.items()
}
COST_OF_A_DAY: Final = {
    "{{gen_ai_response_model}}": f"sum by (gen_ai_response_model) ({_cost('1d')})"
}
COST: Final = f"sum({_cost('$__range')})"
UNPRICED: Final = f"sum by (gen_ai_response_model) ({UNPRICED_SERIES}{{{_CALL}}})"
FIRST_CHUNK: Final = _quantiles(
    "gen_ai_response_model", _either("time_to_first_chunk_seconds_bucket", _CALL)
)
DURATION: Final = _quantiles("gen_ai_response_model", _either("duration_seconds_bucket", _CALL))
TOOLS: Final = {"{{gen_ai_tool_name}}": _per_minute(f"{_TOOL}_count", _SERVICE, "gen_ai_tool_name")}
TOOLS_OF_AGENTS: Final = {
    "{{gen_ai_agent_name}}: {{gen_ai_tool_name}}": _per_minute(
        f"{_TOOL}_count",
        f'{_SERVICE},gen_ai_agent_name!=""',
        "gen_ai_agent_name",
        "gen_ai_tool_name",
    )
}
TOOL_DURATION: Final = _quantiles("gen_ai_tool_name", _rate(f"{_TOOL}_bucket", _SERVICE))
CONNECTORS: Final = {
    "{{mistral_ai_connector_name}}": _per_minute(
        "mistral_ai_client_connector_calls_total", _CALL, "mistral_ai_connector_name"
    )
}
LOOPS: Final = {
    "loops": f"60 * sum({_rate(f'{_LOOP}_duration_seconds_count', _SERVICE)})",
    "failed": "60 * sum("
    + _rate(f"{_LOOP}_duration_seconds_count", f'{_SERVICE},error_type!=""')
    + ")",
}
IN_A_LOOP: Final = {
    "requests": _per_loop("inference_calls"),
    "local tools": _per_loop("tool_calls"),
    "seconds": _per_loop("duration_seconds"),
}
