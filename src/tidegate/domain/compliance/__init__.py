"""What compliance knows: filings that come late, audit windows, rules."""
