"""What tables, figures and claims show (`report/`): the typed files of the report. No torch."""
