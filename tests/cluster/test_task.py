"""What the processes of a job agree upon without speaking to each other."""

from pipeline_lib.cluster.task import port_of


def test_each_start_of_each_job_has_a_port_of_its_own() -> None:
    ports = {(job, start): port_of(str(job), str(start)) for job in range(40) for start in range(5)}
    assert all(20_000 <= port < 32_768 for port in ports.values())
    assert len(set(ports.values())) > 190  # of 200
    assert all(port_of(str(job), str(start)) == port for (job, start), port in ports.items())
