"""Run a .NET program on the runtime, without the SDK.

The stage that publishes stays as a builder; a new stage on the runtime image of the same version
and distribution takes the published folder over, with the files beside the sources that it reads.
"""

from collections.abc import Iterator

from refactor import Change, Example, Phase, Refusal, Safety, Snapshot, transform
from refactor.structure import stage_edits

_FROM = "FROM mcr.microsoft.com/dotnet/sdk:8.0\nWORKDIR /app\nCOPY . .\n"
_PUBLISH = "RUN dotnet publish -c Release -o out\n"
_CMD = 'ENTRYPOINT ["dotnet", "out/App.dll"]\n'
_FILES = ('App.csproj=<Project Sdk="Microsoft.NET.Sdk.Web"><PropertyGroup>'
          '<TargetFramework>net8.0</TargetFramework></PropertyGroup></Project>',
          "Program.cs=", "appsettings.json={}")  # fmt: skip
_OLD = (_FILES[0].replace("net8.0", "net6.0"),)


@transform(
    phase=Phase.STAGES,
    triggers=("dotnet/sdk",),
    highest=Safety.RISKY,
    examples=[
        Example(f"{_FROM}{_PUBLISH}{_CMD}", refuses="S516", note="no build context is known"),
        Example(f'{_FROM}{_PUBLISH}CMD ["dotnet", "run"]\n', files=_FILES, refuses="S510"),
        Example(f"{_FROM}RUN dotnet publish -c Release\n{_CMD}", files=_FILES, refuses="S502",
                note="where it is published is not said"),
        Example(f"{_FROM}{_PUBLISH}{_CMD}", files=_OLD, refuses="S503",
                note="the framework is of another version than the image"),
        Example(f"{_FROM}{_PUBLISH}{_CMD}",
                'FROM mcr.microsoft.com/dotnet/sdk:8.0 AS builder\nWORKDIR /app\nCOPY . .\n'
                f'{_PUBLISH}\nFROM mcr.microsoft.com/dotnet/aspnet:8.0\nWORKDIR /app\n'
                'COPY --from=builder /app/appsettings.json /app/appsettings.json\n'
                f'COPY --from=builder /app/out /app/out\n{_CMD}', files=_FILES,
                note="the settings are read in the working directory"),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at the final stage, if it starts from a .NET SDK."""
    yield from stage_edits.split(snapshot, "dotnet", Safety.RISKY)
