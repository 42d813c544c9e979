"""Training that is started, watched, steered and stopped from elsewhere: the app's live lab.

A lab run is a run of the store like any other. `queue` puts it in line, a `runner` (one process per
place, see `places`) takes it out and trains it in a `worker`, which obeys the run's `control` file;
`watch` says how far it is. All of them meet in files only: a page that is reloaded, a second tab
and a server that is started again find the same run.
"""
