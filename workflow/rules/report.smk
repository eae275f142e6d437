rule report:
    input:
        rules.evaluation.input,
