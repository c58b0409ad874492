"""Run a jar on a JRE, without Maven or Gradle and the JDK.

The stage that builds stays as a builder; a new stage on the JRE image of the same vendor, version
and distribution takes the jar over, with the files beside the sources that it may read. Which jars
are complete by themselves is read in pom.xml and build.gradle.
"""

from collections.abc import Iterator

from refactor import Change, Example, Phase, Refusal, Safety, Snapshot, transform
from refactor.structure import stage_edits

_FROM = "FROM maven:3.9-eclipse-temurin-17\nWORKDIR /app\nCOPY . .\nRUN mvn package\n"
_CMD = "CMD java -jar target/app-1.jar\n"
_POM = "pom.xml=<project><artifactId>app</artifactId></project>"
_MORE = ("pom.xml=<project><artifactId>app</artifactId><dependencies><dependency>"
         "<artifactId>b</artifactId></dependency></dependencies></project>")  # fmt: skip


@transform(
    phase=Phase.STAGES,
    triggers=("maven", "gradle", "temurin", "openjdk"),
    highest=Safety.RISKY,
    examples=[
        Example(f"{_FROM}{_CMD}", refuses="S516", note="no build context is known"),
        Example(f'{_FROM}CMD ["mvn", "exec:java"]\n', files=(_POM,), refuses="S510"),
        Example(f"{_FROM}{_CMD}", files=(_MORE,), refuses="S502",
                note="the jar does not hold its dependencies"),
        Example(f"{_FROM.replace('eclipse-temurin', 'amazoncorretto')}{_CMD}", files=(_POM,),
                refuses="S512", note="there is no JRE of the same vendor"),
        Example(f"{_FROM}{_CMD}",
                'FROM maven:3.9-eclipse-temurin-17 AS builder\nWORKDIR /app\nCOPY . .\n'
                'RUN mvn package\n\nFROM eclipse-temurin:17-jre\nWORKDIR /app\n'
                f'COPY --from=builder /app/target/app-1.jar /app/target/app-1.jar\n{_CMD}',
                files=(_POM,)),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at the final stage, if it starts from an image with a JDK."""
    yield from stage_edits.split(snapshot, "java", Safety.RISKY)
